"""The page by which a device comes to trust the hub's authority: an application of its own.

It is served over plain HTTP, because the device trusts nobody yet; so it holds what is no
secret, and the fingerprint is compared with what the operator's console shows.
"""

from typing import Final

import segno
from fastapi import FastAPI, Request, Response
from markupsafe import Markup

from twinstile.platform.http import problem_handlers
from twinstile.platform.ops import observability
from twinstile.platform.ops.settings import Settings
from twinstile.platform.security import tls
from twinstile.web import assets, layout

FILE: Final = "hub-ca.crt"
MEDIA: Final = "application/x-x509-ca-cert"
SYSTEMS: Final = ("android", "ipad", "windows", "linux")
_FILES: Final = assets.handed_out(assets.OWN)


def app(settings: Settings) -> FastAPI:
    """The application, for the authority there is now. Raises `TlsError`."""
    authority = tls.authority(settings.tls_path)
    names = tls.server(settings.tls_path / f"{tls.SERVER}.pem").names.all
    service = f"https://{names[0]}:{settings.port}"
    made = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @made.get("/")
    async def read_page(request: Request) -> Response:
        shown = {
            "sheltered": True,  # nothing is asked for here
            "fingerprint": authority.fingerprint,
            "file": FILE,
            "service": service,
            "systems": SYSTEMS,
            "picture": _picture(service + layout.ENTRY),
            "scripts": ["install.js"],
        }
        allowed = ("script-src 'self'", f"connect-src {service}")
        return layout.render(request, "install.html", shown, *allowed, settings=settings)

    @made.get(f"/{FILE}")
    async def read_authority() -> Response:
        return Response(authority.der, media_type=MEDIA)

    @made.get("/pages/{name}")
    async def read_file(name: str) -> Response:
        return assets.of(_FILES, name)

    problem_handlers.install(made)
    made.add_middleware(observability.Measured)
    _ = (read_page, read_authority, read_file)
    return made


def _picture(address: str) -> Markup:
    svg = segno.make_qr(address, error="m").svg_inline(omitsize=True, border=4)
    return Markup(svg)  # noqa: S704 # made of our own names
