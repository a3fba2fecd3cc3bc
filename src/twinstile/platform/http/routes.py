"""The edge of the house: what every request passes before a room sees it.

`Runtime` holds what a process has opened once; the dependencies here hand it out: the caller
(`caller`), a writing transaction (`Tx`, committed before the answer leaves) and a read-only one
(`Read`).
"""

import hashlib
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, cast
from urllib.parse import parse_qsl

from fastapi import Depends, Request, Response, Security
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Cookie, Header, Path
from fastapi.routing import APIRoute
from fastapi.security.http import HTTPBase
from starlette.requests import HTTPConnection
from typing_extensions import override

from twinstile.platform.db.database import Database, Reading, Transaction
from twinstile.platform.http import json_body
from twinstile.platform.http.problems import (
    DuplicateParameter,
    FieldFault,
    Forbidden,
    HubClosed,
    InvalidInput,
    Problem,
    Unauthenticated,
)
from twinstile.platform.keys.data_keys import KeyRing
from twinstile.platform.ops import observability
from twinstile.platform.ops.settings import Settings
from twinstile.platform.security import browser_sessions
from twinstile.platform.security.auth import Gatekeeper, Principal, Scope
from twinstile.platform.security.hub_modes import HubMode

BODY_LIMIT = 1 << 20
OPEN_LIMIT = 16 << 10
"""Of a body that is read before anybody knows who sends it."""
TOKENS = (
    "A device token (from enrolment), a shift token (from signing in), a partner's access "
    "token, or a traveller's receipt."
)
KNOWN = "twinstile.known"
"""Where a request keeps who is calling."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What one process has opened: given to the application at its start."""

    settings: Settings
    database: Database
    gatekeeper: Gatekeeper
    keys: KeyRing


def unchanged(response: Response, content: str, if_none_match: str | None) -> bool:
    """Give an answer a weak validator of what it tells (RFC 9110, section 8.8.3).

    Whether the caller knows that already: the answer is a 304 then.
    """
    etag = f'W/"{hashlib.sha256(content.encode()).hexdigest()[:32]}"'
    response.headers["ETag"] = etag
    if if_none_match != etag:
        return False
    response.status_code = HTTPStatus.NOT_MODIFIED
    return True


def current_runtime(request: Request) -> Runtime:
    """The house this request came to."""
    return cast("Runtime", request.app.state.runtime)


class _Gated(Request):
    """A request whose JSON was read by our gate; the framework asks `json()` and gets that."""

    parsed: object = None

    def keep(self, raw: bytes) -> None:
        """Remember a body that was read, as the framework itself does."""
        self._body = raw

    @override
    async def json(self) -> object:
        return self.parsed


class GatedRoute(APIRoute):
    """A route that reads its body through `body.parse`, at most `limit` bytes of it.

    Where a token is needed, nobody without one makes us read a body at all. Where none is, or
    what stands in its place is looked at later, it is `open_limit` bytes at most.
    """

    limit: ClassVar[int] = BODY_LIMIT
    open_limit: ClassVar[int] = OPEN_LIMIT

    @override
    def get_route_handler(
        self,
    ) -> Callable[[Request], Coroutine[Any, Any, Response]]:  # pyright: ignore[reportExplicitAny] # as FastAPI declares it
        inner = super().get_route_handler()
        takes_body = self.body_field is not None
        needed = rights(self.dependant)
        limit = self.open_limit if needed is None else self.limit
        parameters = frozenset(_parameters(self.dependant))

        async def handle(request: Request) -> Response:
            if needed is not None:
                await look_up(request, needed)
                if "authorization" not in request.headers:
                    browser_sessions.require_no_form(request)
            if request.scope["query_string"]:
                check_query(request.url.query, parameters)
            gated = _Gated(request.scope, request.receive)
            raw = await json_body.read(gated, limit)
            gated.keep(raw)
            if takes_body and raw:
                json_body.require_json(gated.headers.get("content-type", ""))
                gated.parsed = json_body.parse(raw)
            return await inner(gated)

        return handle


class BatchRoute(GatedRoute):
    """A route that takes a tablet's backlog."""

    limit: ClassVar[int] = 8 << 20


def rights(dependant: Dependant) -> frozenset[Scope] | None:
    """The scopes of a route; None where no token is needed."""
    callers = [part.call for part in dependant.dependencies if isinstance(part.call, Caller)]
    return frozenset[Scope]().union(*(c.scopes for c in callers)) if callers else None


def _parameters(dependant: Dependant) -> Iterator[str]:
    """The names of a route's query parameters, those in a model of them included."""
    for parameter in get_flat_params(dependant):
        if not isinstance(parameter.field_info, Path | Header | Cookie):
            yield parameter.alias


def check_query(query: str, known_names: AbstractSet[str]) -> None:
    """Refuse repeated parameters (whose value would count?) and text no database can hold.

    An unknown one is refused as an unknown member is: a misspelt filter would give everything.
    """
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=None)
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise DuplicateParameter
    for name, value in pairs:
        if "\0" in name + value:
            raise InvalidInput(errors=[FieldFault("", "invalid-text")])
    if not known_names >= set(names):
        raise InvalidInput(errors=[FieldFault("", "unknown-parameter")])


class Caller(HTTPBase):
    """A dependency that gives the `Principal` and refuses one without the scopes.

    `GatedRoute` has looked up who is calling before the framework asks: before the body is read
    and before the request takes a connection. Otherwise a rush of requests could hold every
    connection and wait for one more each.
    """

    def __init__(self, scopes: frozenset[Scope]) -> None:
        super().__init__(
            scheme="bearer",
            scheme_name="token",
            description=TOKENS,
        )
        self.scopes: frozenset[Scope] = scopes

    @override
    async def __call__(self, request: HTTPConnection) -> Principal:  # pyright: ignore[reportIncompatibleMethodOverride]
        known = cast("Principal", request.scope[KNOWN])
        if not self.scopes <= known.scopes:
            if known.closed:
                raise HubClosed
            missing = sorted(self.scopes - known.scopes)
            raise Forbidden(f"This needs the scope {', '.join(missing)}.")
        return known


def caller(*scopes: Scope) -> object:
    """The caller of a route, who must have these scopes."""
    return Security(Caller(frozenset(scopes)), scopes=[str(scope) for scope in scopes])


async def look_up(request: Request, needed: frozenset[Scope]) -> None:
    """Find out who is calling, for the `Caller` of the route. Raises `Unauthenticated`."""
    runtime = current_runtime(request)
    given = request.headers.get("authorization")
    if given is None:
        known = await browser_sessions.caller(
            request, runtime.settings, runtime.gatekeeper, needed
        )
    else:
        known = await runtime.gatekeeper.principal(_bearer(given))
    request.scope[KNOWN] = known
    if known.mode is not HubMode.PRODUCTION:
        request.scope[observability.MODE] = known.mode


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > browser_sessions.MAX_TOKEN:
        raise Unauthenticated
    return token.strip()


async def _transaction(request: Request) -> AsyncGenerator[Transaction]:
    """A refusal that says it stored something is committed before it is told."""
    kept: Problem | None = None
    async with current_runtime(request).database.transaction() as tx:
        try:
            yield tx
        except Problem as problem:
            if not problem.stored:
                raise
            kept = problem
    if kept is not None:
        raise kept


async def _reading(request: Request) -> AsyncGenerator[Reading]:
    async with current_runtime(request).database.reading() as tx:
        yield tx


async def _runtime(request: Request) -> Runtime:
    """The house as a dependency; a plain function would cost a thread for each request."""
    return current_runtime(request)


RuntimeDep = Annotated[Runtime, Depends(_runtime)]
# scope="function": the block ends, and so commits, before the answer is sent. With FastAPI's
# default the client would hold its 200 while the commit can still fail.
Tx = Annotated[Transaction, Depends(_transaction, scope="function")]
Read = Annotated[Reading, Depends(_reading, scope="function")]
