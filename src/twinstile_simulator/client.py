"""How the simulator speaks: one connection, patience, and answers read as typed values.

A request is repeated unchanged, under the same id, while the service asks for that (429, 502,
503, 504, 507) or does not answer, for a minute at most; whatever else it refuses is
`RequestRefused`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar, cast

import httpx2

PATIENCE_S = 60.0
CONNECTIONS = 32
CLOCK_S = 40.0
"""The service does what is due every ten seconds, when it is not busy."""
_TRY_AGAIN = frozenset({429, 502, 503, 504, 507})

Json = Mapping[str, object]
T = TypeVar("T")


class RequestRefused(Exception):
    """The service said no, or nothing for too long. Holds no personal data."""

    def __init__(self, method: str, path: str, status: int, problem: str) -> None:
        super().__init__(f"{method} {path.partition('?')[0]}: {status} {problem}")
        self.status = status


class Unreadable(Exception):
    """The service's answer is not what the contract says. Holds nothing of the answer."""


@asynccontextmanager
async def connect(base_url: str) -> AsyncGenerator["ServiceClient"]:
    """Open a connection to the service at `base_url`."""
    limits = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with httpx2.AsyncClient(base_url=base_url, timeout=10.0, limits=limits) as http:
        yield ServiceClient(http)


@dataclass(frozen=True, slots=True)
class ServiceClient:
    """The service, as anyone reaches it."""

    http: httpx2.AsyncClient

    async def send(
        self, method: str, path: str, token: str | None = None, body: Json | None = None
    ) -> httpx2.Response:
        """Send until answered. Raises RequestRefused for every answer that is not a success."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        clock = asyncio.get_running_loop().time
        deadline = clock() + PATIENCE_S
        pause, status, problem = 0.05, 0, "no answer"
        while clock() < deadline:
            wait = pause
            try:
                response = await self.http.request(method, path, json=body, headers=headers)
            except httpx2.TransportError:
                pass  # whether it arrived is unknown: the same again is harmless
            else:
                if response.is_success:
                    return response
                status, problem = response.status_code, _problem(response)
                if status not in _TRY_AGAIN:
                    break
                asked = response.headers.get("Retry-After", "")
                wait = float(asked) if asked.isdecimal() else pause
            await asyncio.sleep(min(wait, 5.0))
            pause = min(2 * pause, 2.0)
        raise RequestRefused(method, path, status, problem)

    async def ask(
        self, method: str, path: str, token: str | None = None, body: Json | None = None
    ) -> Json:
        """Send, and read the JSON object that comes back. Raises RequestRefused, Unreadable."""
        return _read(await self.send(method, path, token, body))

    async def answers(self) -> bool:
        """Whether anybody is there at all."""
        try:
            await self.http.get("/livez")
        except httpx2.TransportError:
            return False
        return True


async def until(done: Callable[[], Awaitable[bool]], seconds: float = CLOCK_S) -> None:
    """Look again and again; returns when it is done, or after so long."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    while not await done() and clock() < deadline:  # noqa: ASYNC110 -- the service tells nobody
        await asyncio.sleep(0.5)


def member(answer: object, name: str, kind: type[T]) -> T:
    """Read a member of a JSON object. Raises Unreadable unless it is there and of the kind."""
    value = mapping(answer).get(name)
    if not isinstance(value, kind):
        raise Unreadable(f"the service's answer has no {kind.__name__} `{name}`")
    return value


def mapping(value: object) -> Json:
    """Take a value for the JSON object that it is. Raises Unreadable when it is none."""
    if not isinstance(value, dict):
        raise Unreadable("the service's answer is not a JSON object")
    return cast("Json", value)


def _read(response: httpx2.Response) -> Json:
    try:
        return mapping(cast("object", response.json()))
    except ValueError as error:
        raise Unreadable("the service's answer is not JSON") from error


def _problem(response: httpx2.Response) -> str:
    """Name an RFC 9457 problem and the places at fault, e.g. `out-of-range /temperature`."""
    try:
        problem = _read(response)
        faults = cast("list[object]", problem.get("errors") or [])
        places = [member(fault, "pointer", str) for fault in faults]
        return " ".join([member(problem, "type", str).removeprefix("/problems/"), *places])
    except Unreadable:
        return "without a problem document"
