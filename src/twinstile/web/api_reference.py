"""The API reference: Swagger UI over our own document, with no request to anywhere else.

FastAPI's page loads its parts from the internet and is blank in a closed network. The package
`fastapi_standalone_docs` carries the same parts; only its files are used, because its class
changes FastAPI for the whole process.
"""

from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import Response

from twinstile.web import assets

router = APIRouter(prefix="/docs", include_in_schema=False)

_SWAGGER = files("fastapi_standalone_docs") / "static" / "swagger"


@router.get("")
async def read_reference() -> Response:
    return assets.page(
        "docs.html",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # Swagger UI sets style attributes
        "img-src 'self' data:",
        "connect-src 'self'",
    )


@router.get("/swagger-ui.css")
async def read_reference_style() -> Response:
    return assets.asset(_SWAGGER / "swagger-ui.css", "text/css")


@router.get("/swagger-ui-bundle.js")
async def read_reference_script() -> Response:
    return assets.asset(_SWAGGER / "swagger-ui-bundle.js", "text/javascript")


@router.get("/start.js")
async def read_reference_start() -> Response:
    return assets.asset(assets.OWN / "docs.js", "text/javascript")
