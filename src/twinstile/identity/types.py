"""The words of identity: what a document says, and what reading it found.

Numbers, names and birth dates are left out of every `repr`, so that a log line or a failed
assertion in production never carries them. Findings are soft: none of them refuses a
passage, policy and people do.
"""

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NewType
from uuid import UUID

PersonId = NewType("PersonId", UUID)
"""A random UUID (version 4): a version 7 would tell when the person was first seen."""


class DocumentKind(StrEnum):
    RESIDENT_ID = "RESIDENT_ID"
    """Any card numbered after GB 11643-1999: resident identity card, residence permit of
    Hong Kong, Macau and Taiwan residents, foreign permanent resident card from 2023-12."""
    PASSPORT = "PASSPORT"
    OTHER = "OTHER"


class Sex(StrEnum):
    """What a document says. `None` in its place means that nobody looked (GB/T 2261.1 0)."""

    MALE = "MALE"  # GB/T 2261.1 1, ICAO M
    FEMALE = "FEMALE"  # GB/T 2261.1 2, ICAO F
    UNSPECIFIED = "UNSPECIFIED"  # GB/T 2261.1 9, ICAO < and X: the document leaves it open


class IdentityResult(StrEnum):
    MATCH = "MATCH"
    MISMATCH = "MISMATCH"
    NOT_CHECKED = "NOT_CHECKED"


class Finding(StrEnum):
    VALID = "VALID"  # the document carries checks, and all of them hold
    UNCHECKED = "UNCHECKED"  # nothing in it can be checked without asking its issuer
    INVALID_CHECK = "INVALID_CHECK"
    IMPLAUSIBLE_DATE = "IMPLAUSIBLE_DATE"
    MALFORMED = "MALFORMED"
    INCOMPLETE_DATE = "INCOMPLETE_DATE"
    EXPIRED = "EXPIRED"
    UNKNOWN_REGION = "UNKNOWN_REGION"
    UNKNOWN_ISSUER = "UNKNOWN_ISSUER"
    UNKNOWN_SERIES = "UNKNOWN_SERIES"
    SYNTHETIC = "SYNTHETIC"  # a number that belongs to nobody, made for tests and exercises


FAULTS: Final = frozenset({Finding.INVALID_CHECK, Finding.IMPLAUSIBLE_DATE, Finding.MALFORMED})
"""What speaks against VALID. All other findings are information beside it."""


class InvalidText(ValueError):
    """The text is empty, too long or holds control characters. The message never echoes it."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it is compared: equal documents are equal values.

    Made by `documents.read` and `mrz.read`, which normalise; a raw number has no place here.
    `issuer` is None for RESIDENT_ID, an ICAO three-letter code for a PASSPORT, and for OTHER
    the words that say what it is and who gave it.
    """

    kind: DocumentKind
    number: str = field(repr=False)
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    name: str | None = field(default=None, repr=False)
    birth_date: dt.date | None = field(default=None, repr=False)
    sex: Sex | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ReadDocument:
    document: Document
    holder: Holder
    findings: frozenset[Finding]
