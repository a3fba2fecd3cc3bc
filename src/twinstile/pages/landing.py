"""The front page, and what every page has: style, icon, and the words for the browser."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from twinstile.pages import assets, catalogue, shell
from twinstile.pages.shell import PageRoute
from twinstile.platform.errors import NotFound

router = APIRouter(include_in_schema=False)
front = APIRouter(include_in_schema=False, route_class=PageRoute)

_FILES = assets.handed_out(assets.OWN)
KEPT_FOR_GOOD = "public, max-age=31536000, immutable"


@front.get("/")
async def read_front_page(request: Request) -> Response:
    """What this is and where to go on."""
    return shell.render(request, "front.html", {})


@router.get("/pages/{name}")
async def read_file(name: str) -> Response:
    """A style, script or picture of the pages. Raises `NotFound`."""
    return assets.of(_FILES, name)


@router.get("/words/{name}")
async def read_words(name: str) -> Response:
    """A catalogue by its name, which is another one for each content. Raises `NotFound`."""
    for locale in (*catalogue.locales(), catalogue.PSEUDO):
        words = catalogue.words_of(locale)
        if name == words.file_name:
            answer = assets.content(words.file, "application/json")
            answer.headers["cache-control"] = KEPT_FOR_GOOD
            return answer
    raise NotFound("There are no such words.")
