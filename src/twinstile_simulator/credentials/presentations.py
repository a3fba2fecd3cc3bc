"""Who presents which credential: a table of conditions, and what a hub must make of each.

Certificates are judged by the hub alone and come while the crowd does. A provider has 0.7 s
for its answer, also on a machine that is too busy for that, so its codes are presented before
the gates are opened and after they are closed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

CERTIFICATE, PROVIDER, FOREIGN = "EU_DCC", "partner", "none here"
"""Whose credential it is: a scheme, a provider by the hub's name for it, or nobody's here."""


class CredentialCondition(StrEnum):
    """What is the matter with a credential."""

    VALID = "valid"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    REVOKED = "revoked"
    OTHER_PERSON = "of another person"
    TAMPERED = "tampered with"
    UNKNOWN_KEY = "by a key on no list"
    FOREIGN_USE = "by a key for other things"
    RULES = "that does not meet the rules"
    WITHDRAWN_KEY = "by a key withdrawn at noon"
    RED = "red"
    NOT_ISSUED = "that nobody issued"
    FAILING = "while its provider fails"
    SILENT = "while its provider is silent"
    OUTAGE = "while its provider is away"
    FOREIGN = "of no provider here"


def describe_answer(colour: object, outcome: object, status: object) -> str:
    """What became of a credential, as it is compared."""
    return f"{colour} {f'ANSWERED_{status}' if outcome == 'PROVIDER_ANSWERED' else outcome}"


@dataclass(frozen=True, slots=True)
class CredentialHolder:
    """The person a credential was issued to."""

    family: str
    given: str
    born: str
    number: str

    @property
    def full_name(self) -> str:
        """The name in its script: the family comes first in Chinese."""
        latin = f"{self.given} {self.family}"
        return latin if latin.isascii() else self.family + self.given


@dataclass(frozen=True, slots=True)
class Presentation:
    """A credential that is presented, and what the hub must answer."""

    source: str
    how: CredentialCondition
    colour: str
    outcome: str
    status: str
    """The word that the check keeps."""
    scheme: str
    """As the service names it: of what could not be verified only its form is known."""

    @property
    def answer(self) -> str:
        """What must become of it."""
        return describe_answer(self.colour, self.outcome, self.status)

    @property
    def rules(self) -> str | None:
        """The entry rules it has to meet."""
        return "entry-yellow-fever" if self.how is CredentialCondition.RULES else None

    @property
    def recorded(self) -> Mapping[str, object]:
        """What the check must tell afterwards."""
        provider = PROVIDER if self.source == PROVIDER else None
        return {
            "status": self.status,
            "outcome": self.outcome,
            "scheme": self.scheme,
            "provider": provider,
        }


_Row = tuple[CredentialCondition, str, str, str]
_GREEN = ("GREEN", "VERIFIED", "GREEN")
_NO_ANSWER = ("UNKNOWN", "PROVIDER_UNAVAILABLE", "UNAVAILABLE")
_UNVERIFIED = {"INVALID_SIGNATURE", "ISSUER_NOT_TRUSTED", "TERMINATED_KEYS"}
_CERTIFICATES: tuple[_Row, ...] = (
    (CredentialCondition.VALID, *_GREEN),
    (CredentialCondition.EXPIRED, "YELLOW", "EXPIRED", "EXPIRED"),
    (CredentialCondition.NOT_YET_VALID, "YELLOW", "NOT_YET_VALID", "INVALID"),
    (CredentialCondition.REVOKED, "RED", "REVOKED", "INVALID"),
    (CredentialCondition.OTHER_PERSON, "RED", "SUBJECT_MISMATCH", "INVALID"),
    (CredentialCondition.TAMPERED, "RED", "INVALID_SIGNATURE", "INVALID"),
    (CredentialCondition.UNKNOWN_KEY, "UNKNOWN", "ISSUER_NOT_TRUSTED", "UNAVAILABLE"),
    (CredentialCondition.FOREIGN_USE, "RED", "KEY_USAGE_MISMATCH", "INVALID"),
    (CredentialCondition.RULES, "YELLOW", "POLICY_FAILED", "YELLOW"),
    (CredentialCondition.WITHDRAWN_KEY, *_GREEN),
)
_CODES: tuple[_Row, ...] = (
    (CredentialCondition.VALID, *_GREEN),
    (CredentialCondition.RED, "RED", "PROVIDER_ANSWERED", "RED"),
    (CredentialCondition.OTHER_PERSON, "RED", "SUBJECT_MISMATCH", "INVALID"),
    (CredentialCondition.NOT_ISSUED, "UNKNOWN", "NOT_FOUND", "NOT_FOUND"),
    (CredentialCondition.FAILING, *_NO_ANSWER),
    (CredentialCondition.SILENT, "UNKNOWN", "PROVIDER_TIMEOUT", "UNAVAILABLE"),
)


def _certificate(row: _Row) -> Presentation:
    return Presentation(CERTIFICATE, *row, "HCERT" if row[2] in _UNVERIFIED else CERTIFICATE)


def _code(row: _Row, source: str = PROVIDER) -> Presentation:
    return Presentation(source, *row, "ONLINE")


MORNING = tuple(map(_certificate, _CERTIFICATES))
AFTERNOON = (
    _certificate((CredentialCondition.WITHDRAWN_KEY, "RED", "TERMINATED_KEYS", "INVALID")),
)
"""When the trust list no longer has the key."""
BEFORE_OPENING = (
    *map(_code, _CODES),
    _code((CredentialCondition.FOREIGN, "UNKNOWN", "NOT_SUPPORTED", "INVALID"), FOREIGN),
)
PROVIDER_OUTAGE = (_code((CredentialCondition.OUTAGE, *_NO_ANSWER)),) * 2
AFTER_OUTAGE = (_code((CredentialCondition.VALID, *_GREEN)),)
EVERY = (*MORNING, *AFTERNOON, *BEFORE_OPENING, *PROVIDER_OUTAGE, *AFTER_OUTAGE)
