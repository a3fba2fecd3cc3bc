"""Reads document numbers: resident identity (GB 11643-1999), passports, anything else.

Reading never refuses: a number of an unknown format is a finding on a document that can
still be recorded and matched. Only text that no document can carry raises InvalidText.
"""

import datetime as dt
import re
from collections.abc import Set as AbstractSet
from typing import Final

from twinstile.identity import text
from twinstile.identity.types import (
    FAULTS,
    Document,
    DocumentKind,
    Finding,
    Holder,
    ReadDocument,
    Sex,
)

NUMBER_LIMIT: Final = 64
SYNTHETIC_PREFIXES: Final = ("77",)
"""No division of GB/T 2260 begins so, hence no living person's number does."""

SPECIMEN_ISSUER: Final = "UTO"
"""Utopia, the state of the specimens in ICAO Doc 9303."""

_SEPARATORS: Final = re.compile(rf"[\s\u2010-\u2015\u2212{text.INVISIBLE}-]")
_UNSEEN: Final = re.compile(rf"[{text.INVISIBLE}]")

_RESIDENT: Final = re.compile(r"[1-9][0-9]{16}[0-9X]")
_PASSPORT: Final = re.compile(r"[0-9A-Z]{5,9}")
_CHINESE_SERIES: Final = re.compile(r"[EG][0-9]{8}|E[A-HJ-NP-Z][0-9]{7}")
_ISSUER: Final = re.compile(r"[A-Z]{3}")

# The provinces of GB/T 2260 by their first digit, a greater region.
_PROVINCES: Final = frozenset(
    greater + province
    for greater, provinces in {
        "1": "12345",
        "2": "123",
        "3": "1234567",
        "4": "123456",
        "5": "01234",
        "6": "12345",
        "7": "1",
        "8": "123",
    }.items()
    for province in provinces
)
_FOREIGNER: Final = "9"
_OLDEST: Final = 130  # years; nobody on record has passed 122

# ISO 7064 MOD 11-2: the weight of position i, counted from the left, is 2^(17-i) mod 11.
_WEIGHTS: Final = tuple(pow(2, 17 - i, 11) for i in range(17))
_CHECK_CHARACTERS: Final = "10X98765432"


def normalise(number: str) -> str:
    """Fold `number` to the form in which it is compared: no spaces, no dashes, upper case.

    Raises InvalidText for text that is empty, longer than 64 characters, or not printable.
    """
    return text.fold(number, limit=NUMBER_LIMIT, drop=_SEPARATORS)


def normalise_issuer(issuer: str) -> str:
    """Fold an issuer's code or words; Germany's `D` of the zone becomes the usual `DEU`."""
    folded = text.fold(issuer, limit=NUMBER_LIMIT, drop=_UNSEEN)
    return "DEU" if folded == "D" else folded


def judge_issuer(issuer: str | None) -> frozenset[Finding]:
    """Tell what a normalised passport issuer is not. Numbers are unique only beside one."""
    if issuer == SPECIMEN_ISSUER:
        return frozenset({Finding.SYNTHETIC})
    if issuer is None or not _ISSUER.fullmatch(issuer):
        return frozenset({Finding.UNKNOWN_ISSUER})
    return frozenset()


def conclude(findings: AbstractSet[Finding]) -> frozenset[Finding]:
    """Add VALID when a document with checks of its own shows no fault."""
    sound = {Finding.VALID} if findings.isdisjoint(FAULTS) else set[Finding]()
    return frozenset(findings | sound)


def classify(number: str) -> DocumentKind:
    """Guess the kind of a number that came without one. What the source declares is better.

    A travel permit's number has the shape of a passport's and is taken for one.
    """
    folded = normalise(number)
    if _RESIDENT.fullmatch(folded):
        return DocumentKind.RESIDENT_ID
    if _PASSPORT.fullmatch(folded) and not folded.isalpha():
        return DocumentKind.PASSPORT
    return DocumentKind.OTHER


def check_character(digits: str) -> str:
    """Compute the eighteenth character for seventeen digits (ISO 7064 MOD 11-2)."""
    total = sum(int(d) * weight for d, weight in zip(digits, _WEIGHTS, strict=True))
    return _CHECK_CHARACTERS[total % 11]


def read(
    kind: DocumentKind,
    number: str,
    *,
    today: dt.date,
    issuer: str | None = None,
    synthetic: tuple[str, ...] = SYNTHETIC_PREFIXES,
) -> ReadDocument:
    """Normalise a document of a known kind and tell what its number says and what is wrong.

    `today` is the hub's date; `synthetic` are the prefixes of resident numbers made up for
    exercises. Raises InvalidText, see `normalise`.
    """
    # The kind of a resident number names its issuer: told or not, the same card is equal.
    named = issuer if issuer and kind is not DocumentKind.RESIDENT_ID else None
    document = Document(kind, normalise(number), normalise_issuer(named) if named else None)
    match kind:
        case DocumentKind.RESIDENT_ID:
            return _read_resident(document, today, synthetic)
        case DocumentKind.PASSPORT:
            return ReadDocument(document, Holder(), _passport_findings(document))
        case DocumentKind.OTHER:
            return ReadDocument(document, Holder(), frozenset({Finding.UNCHECKED}))


def _read_resident(
    document: Document, today: dt.date, synthetic: tuple[str, ...]
) -> ReadDocument:
    number = document.number
    if not _RESIDENT.fullmatch(number):
        return ReadDocument(document, Holder(), frozenset({Finding.MALFORMED}))
    doubts: set[Finding] = set()
    if check_character(number[:17]) != number[17]:
        doubts.add(Finding.INVALID_CHECK)
    born = _birth_date(number[6:14], today)
    if born is None:
        doubts.add(Finding.IMPLAUSIBLE_DATE)
    if number.startswith(synthetic):
        doubts.add(Finding.SYNTHETIC)
    # A foreigner's card has its province one place further right. Districts come and go with
    # every reform, and a number outlives the one it was given in: provinces are enough.
    elif number[number.startswith(_FOREIGNER) :][:2] not in _PROVINCES:
        doubts.add(Finding.UNKNOWN_REGION)
    sex = Sex.MALE if int(number[16]) % 2 else Sex.FEMALE
    return ReadDocument(document, Holder(birth_date=born, sex=sex), conclude(doubts))


def _birth_date(digits: str, today: dt.date) -> dt.date | None:
    """Read YYYYMMDD; None when no such day was, or nobody born on it can stand here."""
    try:
        born = dt.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
    return born if plausible_birth(born, today) else None


def plausible_birth(born: dt.date, today: dt.date) -> bool:
    """Whether somebody born on that day can stand here."""
    return born <= today and today.year - born.year <= _OLDEST


def _passport_findings(document: Document) -> frozenset[Finding]:
    """Judge a number keyed by hand: there is no check digit outside the zone."""
    well_formed = _PASSPORT.fullmatch(document.number)
    findings = {Finding.UNCHECKED if well_formed else Finding.MALFORMED}
    if document.issuer == "CHN" and not _CHINESE_SERIES.fullmatch(document.number):
        findings.add(Finding.UNKNOWN_SERIES)
    return judge_issuer(document.issuer) | findings
