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
    HK_MACAU_PERMIT = "HK_MACAU_PERMIT"
    """Mainland travel permit: H or M, 8 digits for life, and 2 of the renewal on old cards."""
    TAIWAN_PERMIT = "TAIWAN_PERMIT"
    """Mainland travel permit: 8 digits for life, and 2 more on old booklets."""
    FOREIGN_RESIDENT_CARD = "FOREIGN_RESIDENT_CARD"
    """Foreign permanent resident card of 2017; that of 2023 is a RESIDENT_ID."""
    ID_CARD = "ID_CARD"
    """Identity or residence card of another state, as a rule with a zone (ICAO TD1, TD2)."""
    VISA = "VISA"
    TEMPORARY_ID = "TEMPORARY_ID"
    HOUSEHOLD_REGISTER = "HOUSEHOLD_REGISTER"
    BIRTH_CERTIFICATE = "BIRTH_CERTIFICATE"
    MILITARY_ID = "MILITARY_ID"
    POLICE_ID = "POLICE_ID"
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
    OLD_NUMBER = "OLD_NUMBER"  # a resident number of 15 digits, as given out before 1999-10
    UNKNOWN_REGION = "UNKNOWN_REGION"
    UNKNOWN_ISSUER = "UNKNOWN_ISSUER"
    UNKNOWN_SERIES = "UNKNOWN_SERIES"
    SYNTHETIC = "SYNTHETIC"  # a number that belongs to nobody, made for tests and exercises


FAULTS: Final = frozenset({Finding.INVALID_CHECK, Finding.IMPLAUSIBLE_DATE, Finding.MALFORMED})
"""What speaks against VALID. All other findings are information beside it."""


class ContactKind(StrEnum):
    """What an address is of."""

    PHONE = "PHONE"
    EMAIL = "EMAIL"
    APP = "APP"  # an application's own name of one installation


class ContactOwner(StrEnum):
    """Whose address it is: minors and elders may travel on a guardian's."""

    SELF = "SELF"
    GUARDIAN = "GUARDIAN"
    OTHER = "OTHER"


class InvalidText(ValueError):
    """The text is empty, too long or holds control characters. The message never echoes it."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it is compared: equal documents are equal values.

    Made by `documents.read` and `mrz.read`, which normalise; a raw number has no place here.
    `issuer` is an ICAO three-letter code for PASSPORT, ID_CARD and VISA, None where the kind
    names the issuer (a specimen of such a kind has UTO), and for all others the words that say
    what it is and who gave it.
    """

    kind: DocumentKind
    number: str = field(repr=False)
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentHolder:
    name: str | None = field(default=None, repr=False)
    birth_date: dt.date | None = field(default=None, repr=False)
    sex: Sex | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ReadDocument:
    document: Document
    holder: DocumentHolder
    findings: frozenset[Finding]


@dataclass(frozen=True, slots=True)
class Contact:
    """An address as it is written to."""

    kind: ContactKind
    owner: ContactOwner
    value: str = field(repr=False)
