"""The words of a declaration: four answers, and what a check makes of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from twinstile.screening.claim_words import Symptom, Tristate

GOOD_FOR: Final = timedelta(hours=48)
"""How long after it was last said a declaration counts at a check: a day ahead, and a delay."""
SHOWN_AGAIN: Final = timedelta(minutes=10)
"""How long the receipt is given again to whoever sends the same declaration once more."""
MOST_WORDS: Final = 20
"""Corrections of one declaration, the first word among them."""
MOST_APPEALS: Final = 5


class DeclarationStatus(StrEnum):
    """What became of a declaration that was shown at a check."""

    COUNTED = "COUNTED"
    EXPIRED = "EXPIRED"  # said too long before
    OTHERS = "OTHERS"  # it counted for another person already
    UNKNOWN = "UNKNOWN"  # never given out by this hub, or destroyed


class AppealSubject(StrEnum):
    """What an appeal is about."""

    DECLARATION = "DECLARATION"
    PASSAGE = "PASSAGE"
    MEASURE = "MEASURE"
    STAFF = "STAFF"
    OTHER = "OTHER"


class Decided(StrEnum):
    """What came of an appeal."""

    UPHELD = "UPHELD"
    PARTLY = "PARTLY"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class Answers:
    """The four answers."""

    symptoms: frozenset[Symptom] = field(repr=False)
    contact: Tristate = field(repr=False)
    fever_medicine: bool = field(repr=False)
    help: bool = field(repr=False)
    """Wants somebody's help, or travels with people under their care."""

    @property
    def calm(self) -> bool:
        """Whether nothing in it asks for a second look."""
        return not (
            self.symptoms
            or self.fever_medicine
            or self.contact in {Tristate.YES, Tristate.UNSURE}
        )

    def packed(self) -> dict[str, object]:
        """As it is kept, encrypted."""
        return {
            "symptoms": sorted(self.symptoms),
            "contact": self.contact.value,
            "fever_medicine": self.fever_medicine,
            "help": self.help,
        }

    @classmethod
    def unpacked(cls, stored: Mapping[str, object]) -> "Answers":
        """The inverse of `packed`."""
        symptoms = stored["symptoms"]
        assert isinstance(symptoms, list)  # noqa: S101 # of ours, authenticated
        return cls(
            frozenset(Symptom(str(code)) for code in symptoms),  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            Tristate(str(stored["contact"])),
            bool(stored["fever_medicine"]),
            bool(stored["help"]),
        )


@dataclass(frozen=True, slots=True)
class PresentedDeclaration:
    """What became of the declaration a check showed, and whether help is wanted."""

    standing: DeclarationStatus
    help: bool = False


@dataclass(frozen=True, slots=True)
class DeclarationSummary:
    """A declaration as it stands, without its answers."""

    declaration_id: UUID
    day: date
    """Of the key it is kept under."""
    source: str
    language: str
    made_at: datetime
    said_at: datetime
    revision: int
    short_code: str | None
    reminded_at: datetime | None
    presented_at: datetime | None
    person_id: UUID | None
    screening_id: UUID | None

    @property
    def good_until(self) -> datetime:
        return self.said_at + GOOD_FOR
