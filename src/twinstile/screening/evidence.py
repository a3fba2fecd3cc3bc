"""What the checks of one screening brought, in their order: the fold a decision is made of."""

from dataclasses import dataclass, field
from functools import cache
from typing import Final

from twinstile.screening import claims
from twinstile.screening.claims import Claims
from twinstile.screening.readings import Taken, bounded
from twinstile.screening.types import (
    ReminderKind,
    ServiceKind,
    TemperatureReading,
    VerificationKind,
)

NONE: Final = "NONE"
_REUSABLE: Final = frozenset({VerificationKind.CREDENTIAL, VerificationKind.TEMPERATURE})


@dataclass(frozen=True, slots=True)
class Brought:
    """What one check brings: each part may be missing."""

    reading: TemperatureReading | None
    credential: str | None
    identity: str | None
    illness: bool
    reminders: frozenset[ReminderKind]
    services: frozenset[ServiceKind]
    claims: Claims | None = None
    emergency: str | None = None

    @property
    def looked_at(self) -> frozenset[VerificationKind]:
        """What of credential and temperature this check looks at itself."""
        there = {
            VerificationKind.TEMPERATURE: self.reading is not None,
            VerificationKind.CREDENTIAL: self.credential is not None,
        }
        return frozenset(kind for kind, is_there in there.items() if is_there)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a screening holds so far; of credential and identity the latest word counts."""

    readings: tuple[Taken, ...] = ()
    credential: str = NONE
    identity: str = NONE
    illness: bool = False
    verifications: frozenset[VerificationKind] = frozenset()
    reminders: frozenset[ReminderKind] = frozenset()
    services: frozenset[ServiceKind] = frozenset()
    claims: Claims = field(default=claims.NOTHING, compare=False)
    """Not compared: a decision depends on what they amount to, see `rules.Beside`."""
    emergency: str = NONE
    reused: frozenset[VerificationKind] = frozenset()
    """What counts from the passage before, until it is looked at anew."""

    def joined(self, brought: Brought, *, late: bool = False) -> "Evidence":
        """The evidence with one more check in it.

        A late check happened before the last one that is known. It may add a fever; it never
        has the last word on temperature, credential or identity, so it lowers no suspicion.
        """
        fresh = brought.reading is not None and VerificationKind.TEMPERATURE in self.reused
        readings = () if fresh else self.readings
        kinds = _kinds(
            measured=brought.reading is not None,
            again=bool(readings),
            credential=brought.credential is not None,
            identity=brought.identity is not None and brought.identity != "NOT_CHECKED",
        )
        if (new := brought.reading) is not None:
            taken = (new.tenths, new.method.value, new.error_tenths)
            readings = bounded((taken, *readings) if late else (*readings, taken))
        return Evidence(
            readings=readings,
            credential=_last_word(self.credential, brought.credential, late=late),
            identity=_last_word(self.identity, brought.identity, late=late),
            illness=self.illness or brought.illness,
            verifications=self.verifications | kinds if self.verifications else kinds,
            reminders=self.reminders | brought.reminders,
            services=self.services | brought.services,
            claims=self.claims.joined(brought.claims, late=late)
            if brought.claims
            else self.claims,
            emergency=brought.emergency or self.emergency,
            reused=self.reused - brought.looked_at if self.reused else self.reused,
        )

    def again(self) -> "Evidence":
        """What counts of this evidence at the same person's next passage: never identity."""
        parts = self.verifications & _REUSABLE
        return Evidence(
            readings=self.readings[-1:],
            credential=self.credential,
            verifications=parts,
            reused=parts,
        )


EMPTY: Final = Evidence()


@cache
def _kinds(
    *, measured: bool, again: bool, credential: bool, identity: bool
) -> frozenset[VerificationKind]:
    """What a check adds to the verifications of its passage."""
    there = {
        VerificationKind.RECHECK: measured and again,
        VerificationKind.TEMPERATURE: measured and not again,
        VerificationKind.CREDENTIAL: credential,
        VerificationKind.IDENTITY: identity,
    }
    return frozenset(kind for kind, is_there in there.items() if is_there)


def _last_word(previous: str, brought: str | None, *, late: bool) -> str:
    return previous if brought is None or (late and previous != NONE) else brought
