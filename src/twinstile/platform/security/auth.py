"""Who is calling: device tokens, shift tokens, roles and the scopes they give.

A device is enrolled once and holds a device token: it may sign people in and hand over facts it
collected. An operator signs in on a device for a shift and acts with a shift token: device,
person and roles in one. Tokens are 256 random bits, stored as SHA-256. `hub_id` always comes
from the token, never from a path or a body.
"""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from twinstile.platform.db.database import Database
from twinstile.platform.http.problems import Unauthenticated
from twinstile.platform.keys.ciphers import token_digest
from twinstile.platform.ops import clock
from twinstile.platform.security.hub_modes import HubMode
from twinstile.platform.security.roles import Role


class Scope(StrEnum):
    """What a token may do, as `resource:action`."""

    ACCESS_READ = "access:read"
    """To see who looked at whom, by random ids."""
    APPROVALS_READ = "approvals:read"
    APPROVALS_WRITE = "approvals:write"
    """To decide on what another person asks for; each kind needs a scope of its own as well."""
    ALERTS_READ = "alerts:read"
    ALERTS_WRITE = "alerts:write"
    """To say that an alert was seen to."""
    ARRIVALS_READ = "arrivals:read"
    ARRIVALS_REVEAL = "arrivals:reveal"
    """To see who of a run has not come yet, for a purpose."""
    ARRIVALS_WRITE = "arrivals:write"
    CASES_READ = "cases:read"
    CASES_WRITE = "cases:write"
    CHANGES_READ = "changes:read"
    CHECKS_READ = "checks:read"
    CHECKS_WRITE = "checks:write"
    CONTACTS_REVEAL = "contacts:reveal"
    """To see who a contact of a case is, for a purpose."""
    DEFERRALS_READ = "deferrals:read"
    DEFERRALS_REVEAL = "deferrals:reveal"
    """To see who was let through unscreened, for a purpose."""
    DEFERRALS_WRITE = "deferrals:write"
    """To say which community is to settle one."""
    DESTRUCTIONS_READ = "destructions:read"
    DEVICES_MANAGE = "devices:manage"
    EXPORTS_APPROVE = "exports:approve"
    """To agree that names are taken out."""
    EXPORTS_IDENTIFIED = "exports:identified"
    """To ask for that, and to take what another person agreed to."""
    EXPORTS_READ = "exports:read"
    FACTS_WRITE = "facts:write"
    FUSES_ORDER = "fuses:order"
    """To ask for a surge order."""
    FUSES_WRITE = "fuses:write"
    """To confirm one, to end it, to let a run by on it."""
    IDENTITIES_READ = "identities:read"
    LANES_READ = "lanes:read"
    LINKS_MANAGE = "links:manage"
    """To see which persons were linked by whom, and to take a link back."""
    LOOKUPS_WRITE = "lookups:write"
    """To find a person by the number of a document, within a quota."""
    OPERATORS_MANAGE = "operators:manage"
    OVERRIDES_WRITE = "overrides:write"
    """To agree to a deviation, and to make one that the rules leave to an officer."""
    PARTNERS_MANAGE = "partners:manage"
    POLICIES_READ = "policies:read"
    POLICIES_WRITE = "policies:write"
    """To write a version, to ask that it holds, and to agree to what another asks."""
    QUARANTINE_READ = "quarantine:read"
    QUARANTINE_WRITE = "quarantine:write"
    REMINDERS_WRITE = "reminders:write"
    REPLAYS_READ = "replays:read"
    REPLAYS_WRITE = "replays:write"
    """To try another policy on stored checks."""
    REPORTS_READ = "reports:read"
    SELF_READ = "self:read"
    SHIFTS_END = "shifts:end"
    SHIFTS_WRITE = "shifts:write"
    STEPS_WRITE = "steps:write"
    """To ask for a step of a screening; docs/state-machines.md has the roles."""
    APPEALS_READ = "appeals:read"
    """To read what travellers dispute."""
    APPEALS_WRITE = "appeals:write"
    """To answer it."""
    REPORT_OWN = "report:own"
    """To read, correct and dispute what one declared: of whoever holds its receipt."""
    VOIDS_APPROVE = "voids:approve"
    """To agree that a passage with a case was entered in error."""


_EVERY_SHIFT = frozenset(
    {
        Scope.LANES_READ,
        Scope.POLICIES_READ,
        Scope.SELF_READ,
        Scope.SHIFTS_END,
    }
)
_AT_THE_LANE = _EVERY_SHIFT | {
    Scope.APPROVALS_READ,
    Scope.ALERTS_READ,
    Scope.ARRIVALS_READ,
    Scope.CHECKS_READ,
    Scope.CHECKS_WRITE,
    Scope.FACTS_WRITE,
    Scope.REMINDERS_WRITE,
    Scope.STEPS_WRITE,
}

DEVICE_SCOPES = frozenset(
    {Scope.FACTS_WRITE, Scope.LANES_READ, Scope.SELF_READ, Scope.SHIFTS_WRITE}
)
PARTNER_SCOPES = frozenset({Scope.CHANGES_READ})
TRAVELLER_SCOPES = frozenset({Scope.REPORT_OWN})
ROLE_SCOPES: Mapping[Role, frozenset[Scope]] = {
    Role.SCREENER: _AT_THE_LANE,
    Role.ASSISTANT: _AT_THE_LANE | {Scope.LOOKUPS_WRITE},
    Role.MEDIC: _AT_THE_LANE
    | {
        Scope.APPROVALS_WRITE,
        Scope.CASES_READ,
        Scope.CASES_WRITE,
        Scope.IDENTITIES_READ,
        Scope.LOOKUPS_WRITE,
        Scope.OVERRIDES_WRITE,
    },
    Role.SUPERVISOR: _AT_THE_LANE
    | {
        Scope.APPEALS_READ,
        Scope.APPEALS_WRITE,
        Scope.DEFERRALS_READ,
        Scope.DEFERRALS_WRITE,
        Scope.FUSES_WRITE,
        Scope.VOIDS_APPROVE,
        Scope.ACCESS_READ,
        Scope.APPROVALS_WRITE,
        Scope.ALERTS_WRITE,
        Scope.ARRIVALS_REVEAL,
        Scope.ARRIVALS_WRITE,
        Scope.CASES_READ,
        Scope.CASES_WRITE,
        Scope.DESTRUCTIONS_READ,
        Scope.DEVICES_MANAGE,
        Scope.LINKS_MANAGE,
        Scope.EXPORTS_APPROVE,
        Scope.LOOKUPS_WRITE,
        Scope.OVERRIDES_WRITE,
        Scope.POLICIES_WRITE,
        Scope.QUARANTINE_READ,
        Scope.QUARANTINE_WRITE,
        Scope.REPLAYS_READ,
        Scope.REPLAYS_WRITE,
        Scope.REPORTS_READ,
    },
    Role.DUTY_COMMANDER: _EVERY_SHIFT
    | {
        Scope.APPEALS_READ,
        Scope.APPEALS_WRITE,
        Scope.DEFERRALS_READ,
        Scope.DEFERRALS_WRITE,
        Scope.FUSES_ORDER,
        Scope.FUSES_WRITE,
        Scope.VOIDS_APPROVE,
        Scope.ACCESS_READ,
        Scope.APPROVALS_READ,
        Scope.APPROVALS_WRITE,
        Scope.ALERTS_READ,
        Scope.ALERTS_WRITE,
        Scope.ARRIVALS_READ,
        Scope.ARRIVALS_REVEAL,
        Scope.ARRIVALS_WRITE,
        Scope.CASES_READ,
        Scope.CHECKS_READ,
        Scope.DESTRUCTIONS_READ,
        Scope.EXPORTS_APPROVE,
        Scope.OVERRIDES_WRITE,
        Scope.POLICIES_WRITE,
        Scope.REMINDERS_WRITE,
        Scope.REPLAYS_READ,
        Scope.REPLAYS_WRITE,
        Scope.REPORTS_READ,
        Scope.STEPS_WRITE,
    },
    Role.EPIDEMIOLOGIST: _EVERY_SHIFT
    | {
        Scope.CONTACTS_REVEAL,
        Scope.DEFERRALS_READ,
        Scope.DEFERRALS_WRITE,
        Scope.DEFERRALS_REVEAL,
        Scope.APPROVALS_READ,
        Scope.CASES_READ,
        Scope.CASES_WRITE,
        Scope.DESTRUCTIONS_READ,
        Scope.EXPORTS_IDENTIFIED,
        Scope.EXPORTS_READ,
        Scope.REPLAYS_READ,
        Scope.REPORTS_READ,
        Scope.STEPS_WRITE,
    },
    Role.ADMINISTRATOR: _EVERY_SHIFT
    | {
        Scope.ACCESS_READ,
        Scope.ARRIVALS_WRITE,
        Scope.DESTRUCTIONS_READ,
        Scope.DEVICES_MANAGE,
        Scope.OPERATORS_MANAGE,
        Scope.PARTNERS_MANAGE,
    },
}

CLOSED_SCOPES = frozenset(scope for scope in Scope if scope.endswith((":read", ":end"))) | {
    Scope.SHIFTS_WRITE
}
"""What is left at a hub that is closed for good: people may sign in and read."""

PRINCIPAL_CACHE_S = 2.0
"""How long a token's rights are remembered: revocation takes effect within this time."""
PRINCIPAL_CACHE_SIZE = 10_000


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller: a device, and the operator on shift on it if there is one."""

    hub_id: str
    device_id: UUID
    lane_id: str | None
    operator_id: UUID | None
    shift_id: UUID | None
    roles: frozenset[Role]
    scopes: frozenset[Scope]
    ends_at: datetime | None
    closed: bool = False
    """Whether the hub is closed for good: scopes to change anything are left out."""
    mode: HubMode = HubMode.PRODUCTION
    """What the hub is for."""


class TokenKind(StrEnum):
    """The prefix of a token, so that a leaked one is recognised."""

    DEVICE = "tsd"
    SHIFT = "tss"
    PARTNER = "tsp"
    RECEIPT = "tsr"
    """A traveller's, see `screening.declared`; it makes nobody a principal."""


def mint_token(kind: TokenKind, hub_id: str) -> str:
    """A new token: `<kind>.<hub>.<256 random bits>`."""
    return f"{kind}.{hub_id}.{secrets.token_urlsafe(32)}"


def scopes_of(roles: frozenset[Role]) -> frozenset[Scope]:
    """Everything the roles together allow."""
    return frozenset(scope for role in roles for scope in ROLE_SCOPES[role])


_DEVICE_SQL = """
SELECT d.device_id, d.lane_id, NULL::uuid, NULL::uuid, NULL::text[], NULL::timestamptz,
       EXISTS (SELECT FROM closure c WHERE c.hub_id = d.hub_id), h.mode,
       d.revoked_at IS NOT NULL
FROM device d
JOIN hub h ON h.hub_id = d.hub_id
WHERE d.hub_id = $1 AND d.token_hash = $2
"""
_SHIFT_SQL = """
SELECT d.device_id, d.lane_id, s.operator_id, s.shift_id, s.roles, s.ends_at,
       EXISTS (SELECT FROM closure c WHERE c.hub_id = d.hub_id), h.mode, false
FROM shift s
JOIN device d ON d.hub_id = s.hub_id AND d.device_id = s.device_id AND d.revoked_at IS NULL
JOIN operator o
  ON o.hub_id = s.hub_id AND o.operator_id = s.operator_id AND o.disabled_at IS NULL
JOIN hub h ON h.hub_id = d.hub_id
WHERE s.hub_id = $1 AND s.token_hash = $2 AND s.ended_at IS NULL AND s.ends_at > $3
"""
_QUERIES = {TokenKind.DEVICE: _DEVICE_SQL, TokenKind.SHIFT: _SHIFT_SQL}


class DeviceRevoked(Unauthenticated):
    """Told of a token that was ours, so that a browser forgets what it holds."""

    slug = "device-revoked"
    title = "This device was shut out"


class Gatekeeper:
    """Turns tokens into principals and remembers them for a moment."""

    def __init__(self, database: Database, remember_s: float = PRINCIPAL_CACHE_S) -> None:
        self._database = database
        self._remember_s = remember_s
        self._known: dict[bytes, tuple[float, Principal]] = {}

    async def principal(self, token: str) -> Principal:
        """The caller behind the token. Raises `Unauthenticated`, `DeviceRevoked`."""
        digest = token_digest(token)
        moment = time.monotonic()
        known = self._known.get(digest)
        if known and known[0] > moment:
            return known[1]
        principal = await self._look_up(token, digest)
        if len(self._known) >= PRINCIPAL_CACHE_SIZE:
            self._known.clear()
        self._known[digest] = (moment + self._remember_s, principal)
        return principal

    def forget(self) -> None:
        """Drop what is remembered, so that a revocation counts at once in this process."""
        self._known.clear()

    async def _look_up(self, token: str, digest: bytes) -> Principal:
        kind, _, rest = token.partition(".")
        hub_id, _, secret = rest.partition(".")
        if kind not in _QUERIES or not secret or "\0" in hub_id:
            raise Unauthenticated
        # a device has no times of its own: our clock may be set back, and it stays enrolled
        moments = () if kind == TokenKind.DEVICE else (clock.now(),)
        async with self._database.reading() as tx:
            row = await tx.raw.fetchrow(_QUERIES[TokenKind(kind)], hub_id, digest, *moments)
        if row is None:
            raise Unauthenticated
        device_id, lane_id, operator_id, shift_id, roles, ends_at, closed, mode, revoked = row
        if revoked:
            raise DeviceRevoked
        held = frozenset(Role(role) for role in roles or ())
        scopes = scopes_of(held) if operator_id else DEVICE_SCOPES
        return Principal(
            hub_id,
            device_id,
            lane_id,
            operator_id,
            shift_id,
            held,
            scopes & CLOSED_SCOPES if closed else scopes,
            ends_at,
            closed,
            HubMode(mode),
        )
