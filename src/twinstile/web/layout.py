"""Pages made on the server: the words, the frame around them, and who may see them.

A page is a template below `templates` that extends `base.html`, and a route of `PageRoute`: it
takes forms of our own pages only, sends whoever is not signed in to the entry, and says
refusals in words. Nothing needs JavaScript unless a page says so.
"""

from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, Final, TypeVar, cast
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, ValidationError
from typing_extensions import override

from twinstile.platform.http import json_body, problem_handlers, routes
from twinstile.platform.http.problems import Problem, Unauthenticated
from twinstile.platform.keys.data_keys import KeyDestroyed, KeyUnavailable
from twinstile.platform.ops.settings import Settings
from twinstile.platform.security import browser_sessions
from twinstile.platform.security.auth import Principal
from twinstile.platform.security.browser_sessions import SignInNeeded
from twinstile.web import assets, catalogue
from twinstile.web.catalogue import LocaleTexts

ENTRY: Final = "/enter"
LANGUAGE: Final = "lang"
"""The query parameter and the cookie that say which language somebody chose."""
LANGUAGE_KEPT_S: Final = 365 * 24 * 3600
FORM_LIMIT: Final = 32 << 10
HERE: Final = ("style-src 'self'", "img-src 'self' data:", "form-action 'self'")
"""What every page may: our style, our pictures and those made on the way, our forms."""
SCRIPTED: Final = ("script-src 'self'", "connect-src 'self'")
"""What a page with a script of ours needs besides."""

_FORM: Final = "twinstile.form"
Fields = TypeVar("Fields", bound=BaseModel)


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("twinstile.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def words_for(request: Request, settings: Settings | None = None) -> LocaleTexts:
    """The words this visitor reads: as chosen, else as the browser asks, else the hub's."""
    settings = settings or routes.current_runtime(request).settings
    chosen = request.query_params.get(LANGUAGE) or request.cookies.get(LANGUAGE)
    accepted = request.headers.get("accept-language", "")
    return catalogue.words_of(
        catalogue.known_locale(chosen) or catalogue.negotiated(accepted, settings.language)
    )


def render(
    request: Request,
    template: str,
    values: Mapping[str, object],
    *allowed: str,
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
    settings: Settings | None = None,
) -> Response:
    """The page of that template; `allowed` are directives of its policy beyond `HERE`.

    Beside `values` a template has the words (`say`), who is there (`who`), what was `typed`,
    the `faults` with it by field (none unless shown), and the `scripts` it loads.
    """
    settings = settings or routes.current_runtime(request).settings
    words = words_for(request, settings)
    whole = {**_frame(request, settings, words), **values}
    made = _templates().get_template(template).render(whole)
    answer = HTMLResponse(made, status_code=status, headers=dict(headers or {}))
    answer.headers["content-security-policy"] = assets.policy(*HERE, *allowed)
    answer.headers.update(assets.ALONE)
    answer.headers["content-language"] = words.locale
    if catalogue.known_locale(request.query_params.get(LANGUAGE)):
        answer.set_cookie(
            LANGUAGE, words.locale, LANGUAGE_KEPT_S, path="/", httponly=True, samesite="lax"
        )
    return answer


def _frame(request: Request, settings: Settings, words: LocaleTexts) -> Mapping[str, object]:
    """What every template has."""
    who = cast("Principal | None", request.scope.get(routes.KNOWN))
    return {
        "words": words,
        "say": words.say,
        "languages": [catalogue.words_of(locale) for locale in catalogue.locales()],
        "hub_name": settings.hub_name,
        "mode": (who.mode if who else settings.mode).value,
        "who": who,
        "path": request.url.path,
        "sheltered": browser_sessions.sheltered(request, settings),
        "asset": assets.url,
        "typed": form(request),
    }


def form(request: Request) -> Mapping[str, str]:
    """The fields that were sent, read by the route."""
    return cast("Mapping[str, str]", request.scope.get(_FORM, {}))


def checked(request: Request, model: type[Fields]) -> Fields | Mapping[str, str]:
    """The model's fields of what was sent, or what is at fault: words by the name of the field.

    A field left empty is one not sent.
    """
    given = form(request)
    sent = {name: given[name] for name in model.model_fields if given.get(name, "").strip()}
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        found = problem_handlers.faults(cast("list[Mapping[str, object]]", error.errors()))
        return {fault.pointer.strip("/").partition("/")[0]: fault.code for fault in found}


def to(path: str) -> Response:
    """Go on to another page; what was sent is not sent again."""
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)


class PageRoute(APIRoute):
    """A route of a page: reads a form, looks up who is there, and refuses in words."""

    @override
    def get_route_handler(
        self,
    ) -> Callable[[Request], Coroutine[Any, Any, Response]]:  # pyright: ignore[reportExplicitAny] # as FastAPI declares it
        inner = super().get_route_handler()
        needed = routes.rights(self.dependant)

        async def handle(request: Request) -> Response:
            try:
                if request.method == "POST":
                    await _read_form(request)
                if needed is not None:
                    await routes.look_up(request, needed)
                return await inner(request)
            except Problem as problem:
                return refused(request, problem)
            except (KeyDestroyed, KeyUnavailable) as error:
                return refused(request, problem_handlers.of_keys(error))

        return handle


async def _read_form(request: Request) -> None:
    browser_sessions.require_own_page(request, routes.current_runtime(request).settings)
    json_body.require_form(request.headers.get("content-type", ""))
    request.scope[_FORM] = json_body.parse_form(await json_body.read(request, FORM_LIMIT))


def refused(request: Request, problem: Problem, **shown: object) -> Response:
    """The problem as a page; whoever only has to sign in is led there."""
    if type(problem) in {SignInNeeded, Unauthenticated} and request.method == "GET":
        return to(f"{ENTRY}?then={quote(request.url.path)}")
    return render(
        request,
        "problem.html",
        {"problem": problem, "trace_id": request.scope.get("trace_id", ""), **shown},
        status=problem.status,
        headers=problem.headers,
    )
