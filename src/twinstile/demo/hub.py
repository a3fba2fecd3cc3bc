"""A hub made ready for the day: lanes, people on duty, one enrolled device for each of them.

Begins with what an installation gives: an administrator and one enrolment code. Everything
else is done as an administrator would do it, through the API.
"""

import secrets
from dataclasses import dataclass, replace

from twinstile.demo.client import Service, member
from twinstile.demo.tablets import Tablet

CHECKPOINT = "exit"


@dataclass(frozen=True, slots=True)
class Hub:
    """Who works at the hub today; those without a tablet are shift tokens."""

    lanes: tuple[Tablet, ...]
    assisted: Tablet
    secondary: Tablet
    guests: Tablet
    """At a lane of their own, so that the lanes of the crowd stay as planned."""
    groups: Tablet
    """Scans groups in one request."""
    departures: Tablet
    supervisor: str
    commander: str
    epidemiologist: str

    @property
    def tablets(self) -> tuple[Tablet, ...]:
        """All that take checks."""
        special = (self.assisted, self.secondary, self.guests, self.groups, self.departures)
        return (*self.lanes, *special)


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Two administrators, neither entered by the other, and a code for one device."""

    login: str
    passcode: str
    enrolment_code: str
    second_login: str
    second_passcode: str


async def open_hub(service: Service, bootstrap: Bootstrap, lanes: int) -> Hub:
    """Set everything up. Raises Refused when the service does not take the bootstrap."""
    console = await _enrol(service, bootstrap.enrolment_code, "demo console")
    admin = await _sign_in(service, console, bootstrap.login, bootstrap.passcode)
    staff = _Staff(service, admin, secrets.token_hex(3))
    other = await staff.device("second console")
    second = await _sign_in(service, other, bootstrap.second_login, bootstrap.second_passcode)
    return Hub(
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
    )


@dataclass(frozen=True, slots=True)
class _Staff:
    service: Service
    admin: str
    day: str
    """Keeps the logins of several demonstrations on one hub apart."""

    async def post(
        self, lane_id: str, kind: str, role: str, direction: str = "ARRIVING"
    ) -> Tablet:
        """Enter a lane and put a tablet with an operator at it."""
        checkpoint = CHECKPOINT if direction == "ARRIVING" else "departures"
        lane = {"checkpoint": checkpoint, "kind": kind, "direction": direction}
        await self.service.ask("PUT", f"/v1/lanes/{lane_id}", self.admin, lane)
        return Tablet(self.service, await self.desk(role, lane_id), lane_id)

    async def desk(self, role: str, lane_id: str | None = None) -> str:
        """Enter an operator, enrol a device, sign in on it; returns the shift token."""
        passcode = secrets.token_urlsafe(12)
        login = f"demo-{self.day}-{lane_id or role}"
        operator = {
            "login": login,
            "display_name": login,
            "roles": [role],
            "passcode": passcode,
        }
        await self.service.ask("POST", "/v1/operators", self.admin, operator)
        device = await self.device(lane_id or role, lane_id)
        return await _sign_in(self.service, device, login, passcode)

    async def device(self, name: str, lane_id: str | None = None) -> str:
        """Let one more device in; returns its token."""
        place = {"lane_id": lane_id} if lane_id else {}
        minted = await self.service.ask("POST", "/v1/enrolments", self.admin, place)
        return await _enrol(self.service, member(minted, "code", str), f"demo {name}")


async def _enrol(service: Service, code: str, name: str) -> str:
    answer = await service.ask("POST", "/v1/devices:enrol", body={"code": code, "name": name})
    return member(answer, "token", str)


async def _sign_in(service: Service, device: str, login: str, passcode: str) -> str:
    body = {"login": login, "passcode": passcode}
    return member(await service.ask("POST", "/v1/shifts", device, body), "token", str)
