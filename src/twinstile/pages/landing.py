"""The front page: what this is and where to go on. The same for everybody."""

from fastapi import APIRouter
from fastapi.responses import Response

from twinstile.pages import assets

router = APIRouter(include_in_schema=False)


@router.get("/")
async def read_front_page() -> Response:
    return assets.page("index.html", "style-src 'self'", "img-src 'self'")


@router.get("/page.css")
async def read_style() -> Response:
    return assets.asset(assets.OWN / "page.css", "text/css")


@router.get("/favicon.svg")
async def read_icon() -> Response:
    return assets.asset(assets.OWN / "favicon.svg", "image/svg+xml")
