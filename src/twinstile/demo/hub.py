"""A hub made ready for the day: lanes, people on duty, one enrolled device for each of them.

Begins with what an installation gives: an administrator and one enrolment code. Everything
else is done as an administrator would do it, through the API.
"""

import secrets
from dataclasses import dataclass

from twinstile.demo.client import Service, member
from twinstile.demo.tablets import Tablet

CHECKPOINT = "exit"


@dataclass(frozen=True, slots=True)
class Hub:
    """Who works at the hub today. `supervisor` and `epidemiologist` are shift tokens."""

    lanes: tuple[Tablet, ...]
    assisted: Tablet
    secondary: Tablet
    supervisor: str
    epidemiologist: str

    @property
    def tablets(self) -> tuple[Tablet, ...]:
        return (*self.lanes, self.assisted, self.secondary)


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """An administrator and a code for one device."""

    login: str
    passcode: str
    enrolment_code: str


async def open_hub(service: Service, bootstrap: Bootstrap, lanes: int) -> Hub:
    """Set everything up. Raises Refused when the service does not take the bootstrap."""
    console = await _enrol(service, bootstrap.enrolment_code, "demo console")
    admin = await _sign_in(service, console, bootstrap.login, bootstrap.passcode)
    staff = _Staff(service, admin, secrets.token_hex(3))
    return Hub(
        lanes=tuple(
            [await staff.post(f"exit-{n}", "STAFFED", "screener") for n in range(1, lanes + 1)]
        ),
        assisted=await staff.post("exit-assisted", "ASSISTED", "assistant"),
        secondary=await staff.post("exit-secondary", "SECONDARY", "medic"),
        supervisor=await staff.desk("supervisor"),
        epidemiologist=await staff.desk("epidemiologist"),
    )


@dataclass(frozen=True, slots=True)
class _Staff:
    service: Service
    admin: str
    day: str
    """Keeps the logins of several demonstrations on one hub apart."""

    async def post(self, lane_id: str, kind: str, role: str) -> Tablet:
        """Enter a lane and put a tablet with an operator at it."""
        lane = {"checkpoint": CHECKPOINT, "kind": kind}
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
        place = {"lane_id": lane_id} if lane_id else {}
        minted = await self.service.ask("POST", "/v1/enrolments", self.admin, place)
        code = member(minted, "code", str)
        device = await _enrol(self.service, code, f"demo {lane_id or role}")
        return await _sign_in(self.service, device, login, passcode)


async def _enrol(service: Service, code: str, name: str) -> str:
    answer = await service.ask("POST", "/v1/devices:enrol", body={"code": code, "name": name})
    return member(answer, "token", str)


async def _sign_in(service: Service, device: str, login: str, passcode: str) -> str:
    body = {"login": login, "passcode": passcode}
    return member(await service.ask("POST", "/v1/shifts", device, body), "token", str)
