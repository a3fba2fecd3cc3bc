"""What somebody shows, in which condition it is, and what a hub must make of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

KEPT_OTHERWISE = "NONE KEPT_OTHERWISE"
"""What the hub kept is not what it had answered."""
COLOURS = ("GREEN", "YELLOW", "RED", "UNKNOWN")


class Condition(StrEnum):
    """What is the matter with a code."""

    VALID = "valid"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    REVOKED = "revoked"
    ANOTHERS = "of somebody else"
    TAMPERED = "tampered with"
    UNKNOWN_KEY = "by a key on no list"
    FOREIGN_USE = "by a key for other things"
    RULES = "that does not meet the rules"
    TAKEN_BACK = "by a key taken back at noon"
    YELLOW = "yellow"
    RED = "red"
    UNDECIDED = "not decided yet"
    UNMAPPED = "of a colour nobody named"
    SCREENSHOT = "a screenshot of yesterday"
    HALF_A_NAME = "with half a name"
    NOBODYS = "that nobody gave away"
    FAILING = "while its provider fails"
    A_PAGE = "answered by somebody's page"
    SILENT = "while its provider is silent"
    AWAY = "while its provider is away"
    FOREIGN = "of another world"


@dataclass(frozen=True, slots=True)
class Showing:
    """A code of a scheme, or of a provider by the hub's name for it."""

    what: str
    how: Condition
    colour: str
    outcome: str
    status: str
    """The word that the check keeps."""
    scheme: str | None
    """As the service tells it: only what could be read is known."""
    provider: str | None = None
    rules: str | None = None
    """The entry rules it has to meet."""

    @property
    def kept(self) -> Mapping[str, object]:
        """What the check must tell afterwards."""
        return {
            "status": self.status,
            "outcome": self.outcome,
            "scheme": self.scheme,
            "provider": self.provider,
        }


Shown = dict[str, dict[str, int]]
"""How many codes of a scheme or provider became which colour, and why: `RED REVOKED`."""


def became(colour: object, outcome: object, status: object) -> str:
    """What a code became, as it is counted; of a provider's answer, what it answered."""
    return f"{colour} {f'ANSWERED_{status}' if outcome == 'PROVIDER_ANSWERED' else outcome}"


def tally(codes: Iterable[tuple[str, str]]) -> Shown:
    """Count codes by what they are of and by what became of them."""
    counted: Shown = {}
    for what, became in codes:
        of = counted.setdefault(what, {})
        of[became] = of.get(became, 0) + 1
    return counted


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a code was given to."""

    family: str
    given: str
    born: str
    number: str

    @property
    def whole(self) -> str:
        """As it is written in its script: the family comes first in Chinese."""
        latin = f"{self.given} {self.family}"
        return latin if latin.isascii() else self.family + self.given
