"""Files of the pages, each with the narrowest policy it works under (W3C CSP Level 3).

Everything comes from this server: a hub may have no way out, and no page may tell others who
looks at it.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi.responses import Response

from twinstile.platform.http.problems import NotFound

OWN = files("twinstile.web") / "files"
KEPT_S = 3600
TYPES = {
    "js": "text/javascript",
    "css": "text/css",
    "json": "application/json",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
    "wasm": "application/wasm",
}
"""The kinds of files that are handed out by name, by their endings."""

_LOCKED = {
    "default-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


ALONE = {
    "referrer-policy": "same-origin",  # with less a form says `Origin: null`
    "cross-origin-opener-policy": "same-origin",
}
"""What pages of somebody else hear of one of ours: nothing."""


def policy(*allowed: str) -> str:
    """The locked policy with these directives in it, each in the place of a locked one."""
    opened = dict(one.split(" ", 1) for one in allowed)
    return "; ".join(f"{name} {sources}" for name, sources in (_LOCKED | opened).items())


def page(name: str, *allowed: str) -> Response:
    """A page of ours; `allowed` are the directives it needs beyond its locked policy."""
    return Response(
        _read(OWN / name),
        media_type="text/html",
        headers={"content-security-policy": policy(*allowed), **ALONE},
    )


def asset(source: Traversable, media_type: str) -> Response:
    """A style, script or picture, kept by the browser for an hour."""
    return content(_read(source), media_type)


def content(data: bytes, media_type: str, *allowed: str) -> Response:
    """The same of what is no file; a worker is `allowed` more."""
    return Response(
        data,
        media_type=media_type,
        headers={
            "cache-control": f"public, max-age={KEPT_S}",
            "content-security-policy": policy(*allowed),
        },
    )


def handed_out(folder: Traversable) -> dict[str, Traversable]:
    """The files of a folder that may be asked for by their names."""
    return {file.name: file for file in folder.iterdir() if _ending(file.name) in TYPES}


def of(folder: Mapping[str, Traversable], name: str) -> Response:
    """The file of that name. Raises `NotFound`."""
    if name not in folder:
        raise NotFound("There is no such file.")
    return asset(folder[name], TYPES[_ending(name)])


def _ending(name: str) -> str:
    return name.rpartition(".")[2]


@cache
def url(name: str) -> str:
    """Where a file of ours is served; another address for each content, so none is stale."""
    return f"/pages/{name}?{hashlib.sha256(_read(OWN / name)).hexdigest()[:12]}"


@cache
def _read(source: Traversable) -> bytes:
    return source.read_bytes()
