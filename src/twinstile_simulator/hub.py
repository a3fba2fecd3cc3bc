"""A hub made ready for the day: lanes, people on duty, one enrolled device for each of them.

Begins with what an installation gives: an administrator and one enrolment code. Everything
else is done as an administrator would do it, through the API.
"""

import secrets
from dataclasses import dataclass, replace

from rich.console import Console

from twinstile_simulator.client import ServiceClient, member
from twinstile_simulator.tablets import SimulatedTablet

CHECKPOINT = "exit"
PAGES = {
    "/gate/": "the gate tablet",
    "/desk": "the service desk",
    "/traveller": "a traveller, before arrival",
}


@dataclass(frozen=True, slots=True)
class OperatorAccount:
    """With what somebody signs in."""

    login: str
    passcode: str


@dataclass(frozen=True, slots=True)
class BrowserAccess:
    """With what whoever looks on works at a lane of their own, in their browser."""

    lane_id: str
    code: str
    account: OperatorAccount


@dataclass(frozen=True, slots=True)
class SimulatedHub:
    """Who works at the hub today; those without a tablet are shift tokens."""

    lanes: tuple[SimulatedTablet, ...]
    assisted: SimulatedTablet
    secondary: SimulatedTablet
    guests: SimulatedTablet
    """At a lane of their own, so that the lanes of the crowd stay as planned."""
    groups: SimulatedTablet
    """Scans groups in one request."""
    departures: SimulatedTablet
    supervisor: str
    commander: str
    epidemiologist: str
    visitor: BrowserAccess

    @property
    def tablets(self) -> tuple[SimulatedTablet, ...]:
        """All that take checks."""
        special = (self.assisted, self.secondary, self.guests, self.groups, self.departures)
        return (*self.lanes, *special)


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Two administrators, neither entered by the other, and a code for one device."""

    first: OperatorAccount
    second: OperatorAccount
    enrolment_code: str


async def open_hub(service: ServiceClient, bootstrap: Bootstrap, lanes: int) -> SimulatedHub:
    """Set everything up. Raises RequestRefused when the service does not take the bootstrap."""
    console = await _enrol(service, bootstrap.enrolment_code, "demo console")
    admin = await sign_in(service, console, bootstrap.first)
    staff = _Staff(service, admin, secrets.token_hex(3))
    other = await staff.device("second console")
    second = await sign_in(service, other, bootstrap.second)
    return SimulatedHub(
        lanes=tuple(
            [await staff.post(f"exit-{n}", "STAFFED", "screener") for n in range(1, lanes + 1)]
        ),
        assisted=await staff.post("exit-assisted", "ASSISTED", "assistant"),
        secondary=await staff.post("exit-secondary", "SECONDARY", "medic"),
        guests=await staff.post("exit-guests", "STAFFED", "screener"),
        groups=await staff.post("exit-groups", "STAFFED", "screener"),
        departures=await staff.post("departures-1", "STAFFED", "screener", "DEPARTING"),
        supervisor=await staff.desk("supervisor"),
        # the second of two persons has to be let in by somebody else than the first
        commander=await replace(staff, admin=second).desk("duty_commander"),
        epidemiologist=await staff.desk("epidemiologist"),
        visitor=await staff.visitor("exit-visitor"),
    )


@dataclass(frozen=True, slots=True)
class _Staff:
    service: ServiceClient
    admin: str
    day: str
    """Keeps the logins of several demonstrations on one hub apart."""

    async def post(
        self, lane_id: str, kind: str, role: str, direction: str = "ARRIVING"
    ) -> SimulatedTablet:
        """Enter a lane and put a tablet with an operator at it."""
        await self._lane(lane_id, kind, direction)
        return SimulatedTablet(self.service, await self._seat(role, lane_id), lane_id)

    async def visitor(self, lane_id: str) -> BrowserAccess:
        """Enter a lane, an operator for tablet and desk, and a code for a browser."""
        await self._lane(lane_id, "STAFFED", "ARRIVING")
        account = await self.account("visitor", "screener", "assistant")
        return BrowserAccess(lane_id, await self._code(lane_id), account)

    async def _lane(self, lane_id: str, kind: str, direction: str) -> None:
        checkpoint = CHECKPOINT if direction == "ARRIVING" else "departures"
        lane = {"checkpoint": checkpoint, "kind": kind, "direction": direction}
        await self.service.ask("PUT", f"/v1/lanes/{lane_id}", self.admin, lane)

    async def desk(self, role: str) -> str:
        """Enter an operator, enrol a device, sign in on it; returns the shift token."""
        return await self._seat(role)

    async def account(self, name: str, *roles: str) -> OperatorAccount:
        """Enter an operator."""
        account = OperatorAccount(f"demo-{self.day}-{name}", secrets.token_urlsafe(12))
        operator = {
            "login": account.login,
            "display_name": account.login,
            "roles": list(roles),
            "passcode": account.passcode,
        }
        await self.service.ask("POST", "/v1/operators", self.admin, operator)
        return account

    async def _seat(self, role: str, lane_id: str | None = None) -> str:
        """Put an operator on a device; returns the token of the shift."""
        account = await self.account(lane_id or role, role)
        device = await self.device(lane_id or role, lane_id)
        return await sign_in(self.service, device, account)

    async def device(self, name: str, lane_id: str | None = None) -> str:
        """Let one more device in; returns its token."""
        return await _enrol(self.service, await self._code(lane_id), f"demo {name}")

    async def _code(self, lane_id: str | None) -> str:
        place = {"lane_id": lane_id} if lane_id else {}
        minted = await self.service.ask("POST", "/v1/enrolments", self.admin, place)
        return member(minted, "code", str)


async def _enrol(service: ServiceClient, code: str, name: str) -> str:
    answer = await service.ask("POST", "/v1/devices:enrol", body={"code": code, "name": name})
    return member(answer, "token", str)


async def sign_in(service: ServiceClient, device: str, account: OperatorAccount) -> str:
    """Begin a shift; returns its token. Raises RequestRefused."""
    body = {"login": account.login, "passcode": account.passcode}
    return member(await service.ask("POST", "/v1/shifts", device, body), "token", str)


async def print_pages(
    service: ServiceClient, visitor: BrowserAccess, base_url: str, console: Console
) -> None:
    """Tell the addresses of the pages there are, and with what to get in once."""
    account = visitor.account
    console.print(
        f"look on in a browser of this machine: {base_url}/enter#{visitor.code}\n"
        f"  lets it in at lane {visitor.lane_id}; then sign in as {account.login}, passcode "
        f"{account.passcode}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    for path, name in PAGES.items():
        answer = await service.http.get(path)
        if answer.status_code != 404:
            console.print(f"  {base_url}{path}  {name}", markup=False, soft_wrap=True)
