"""Files of the pages, each with the narrowest policy it works under (W3C CSP Level 3).

Everything comes from this server: a hub may have no way out, and no page may tell others who
looks at it.
"""

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi.responses import Response

OWN = files("twinstile.pages") / "files"
KEPT_S = 3600

_LOCKED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def page(name: str, *allowed: str) -> Response:
    """A page of ours; `allowed` are the directives it needs beyond its locked policy."""
    return Response(
        _read(OWN / name),
        media_type="text/html",
        headers={"content-security-policy": "; ".join((_LOCKED, *allowed))},
    )


def asset(source: Traversable, media_type: str) -> Response:
    """A style, script or picture, kept by the browser for an hour."""
    return content(_read(source), media_type)


def content(made: bytes, media_type: str, *allowed: str) -> Response:
    """The same of what is no file; a worker is `allowed` more."""
    return Response(
        made,
        media_type=media_type,
        headers={
            "cache-control": f"public, max-age={KEPT_S}",
            "content-security-policy": "; ".join((_LOCKED, *allowed)),
        },
    )


@cache
def _read(source: Traversable) -> bytes:
    return source.read_bytes()
