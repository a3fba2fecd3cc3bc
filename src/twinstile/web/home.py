"""The front page, what every page has, and what is said where no page is."""

from typing import Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from twinstile.platform.http import problem_handlers
from twinstile.platform.http.problems import NotFound
from twinstile.web import assets, catalogue, layout
from twinstile.web.layout import PageRoute

router = APIRouter(include_in_schema=False)
front = APIRouter(include_in_schema=False, route_class=PageRoute)

_FILES = assets.handed_out(assets.OWN)
API: Final = "/v1/"
"""What is below it is asked by programs, also where one says it is a browser."""
KEPT_FOR_GOOD = "public, max-age=31536000, immutable"


@front.get("/")
async def read_front_page(request: Request) -> Response:
    """What this is and where to go on."""
    return layout.render(request, "front.html", {})


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


def install(app: FastAPI) -> None:
    """Tell a browser in words where there is no page; a program gets the problem document."""
    app.add_exception_handler(HTTPException, _on_no_page)


async def _on_no_page(request: Request, error: Exception) -> Response:
    problem = problem_handlers.of_http(error)
    kinds = request.headers.get("accept", "").lower().split(",")
    page = any(kind.partition(";")[0].strip() == "text/html" for kind in kinds)
    if not page or request.url.path.startswith(API):
        return problem_handlers.answer(problem, request.scope)
    # no link of ours repeats an address that somebody made up
    return layout.refused(request, problem, path="/")
