"""Reads document numbers: resident identity (GB 11643-1999), permits, passports, anything else.

Reading never refuses: a number of an unknown format is a finding on a document that can
still be recorded and matched. Only text that no document can carry raises InvalidText.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from twinstile.identity import regions
from twinstile.identity.regions import Regions
from twinstile.identity.types import (
    FAULTS,
    Document,
    DocumentHolder,
    DocumentKind,
    Finding,
    InvalidText,
    ReadDocument,
    Sex,
)

NUMBER_LIMIT: Final = 64
SYNTHETIC_PREFIXES: Final = ("77",)
"""No division of GB/T 2260 begins so, hence no living person's number does."""

SPECIMEN_ISSUER: Final = "UTO"
"""Utopia, the state of the specimens in ICAO Doc 9303."""

FOREIGNER: Final = "9"
"""First digit of a foreign permanent resident's number; its province is one place further."""

INVISIBLE: Final = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
"""Soft hyphen, zero-width and direction marks, for a regular expression's character class.

Copying from office programs and web pages leaves them behind unseen."""

_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SEPARATORS: Final = re.compile(rf"[\s\u2010-\u2015\u2212{INVISIBLE}-]")
_UNSEEN: Final = re.compile(rf"[{INVISIBLE}]")

_RESIDENT: Final = re.compile(r"[1-9][0-9]{16}[0-9X]")
_OLD_RESIDENT: Final = re.compile(r"[1-9][0-9]{14}")
_CHINESE_SERIES: Final = re.compile(r"[EG][0-9]{8}|E[A-HJ-NP-Z][0-9]{7}")
_ISSUER: Final = re.compile(r"[A-Z]{3}")

_K: Final = DocumentKind
_SHAPES: Final[Mapping[DocumentKind, re.Pattern[str]]] = {
    _K.RESIDENT_ID: re.compile(f"{_RESIDENT.pattern}|{_OLD_RESIDENT.pattern}"),
    _K.FOREIGN_RESIDENT_CARD: re.compile(r"[A-Z]{3}[0-9]{12}"),
    _K.HK_MACAU_PERMIT: re.compile(r"[HM][0-9]{8}(?:[0-9]{2})?"),
    _K.TAIWAN_PERMIT: re.compile(r"[0-9]{8}(?:[0-9]{2})?"),
    _K.PASSPORT: re.compile(r"[0-9A-Z]{5,9}"),
    _K.ID_CARD: re.compile(r"[0-9A-Z]{1,23}"),  # as long as a TD1 zone holds
    _K.VISA: re.compile(r"[0-9A-Z]{1,23}"),
}
"""Numbers have a form; those of kinds that are not here have none, or several."""

_GUESSED: Final = (
    _K.FOREIGN_RESIDENT_CARD,
    _K.HK_MACAU_PERMIT,
    _K.TAIWAN_PERMIT,
    _K.PASSPORT,
)

NAMED_BY_KIND: Final = frozenset(
    {_K.RESIDENT_ID, _K.FOREIGN_RESIDENT_CARD, _K.HK_MACAU_PERMIT, _K.TAIWAN_PERMIT}
)
"""Kinds that have one issuer: told or not, the same card is equal."""

_NUMBERED: Final = NAMED_BY_KIND | {_K.TEMPORARY_ID, _K.HOUSEHOLD_REGISTER}
"""Papers that can bear a number of GB 11643: whichever is shown, it is the same person."""

_ISSUED_BY_STATES: Final = frozenset({_K.PASSPORT, _K.ID_CARD, _K.VISA})

_KNOWN_AS: Final[Mapping[DocumentKind, tuple[DocumentKind, str | None, int]]] = {
    _K.HK_MACAU_PERMIT: (_K.PASSPORT, "CHN", 9),
    _K.TAIWAN_PERMIT: (_K.PASSPORT, "CHN", 8),
    _K.FOREIGN_RESIDENT_CARD: (_K.OTHER, None, 15),
}
"""As what, issued by whom and by how many characters a document was met while there was no
kind of its own for it, and is by tablets that know none (docs/decisions/0028)."""

_OLDEST: Final = 130  # years; nobody on record has passed 122

# ISO 7064 MOD 11-2: the weight of position i, counted from the left, is 2^(17-i) mod 11.
_WEIGHTS: Final = tuple(pow(2, 17 - i, 11) for i in range(17))
_CHECK_CHARACTERS: Final = "10X98765432"


def fold(raw: str, *, limit: int, drop: re.Pattern[str]) -> str:
    """Fold `raw` to its one spelling, single-spaced, without what `drop` matches; idempotent.

    Raises InvalidText when it is empty, holds a forbidden character or is longer than
    `limit`, before or after folding: NFKC can make one character eighteen.
    """
    if len(raw) > limit:
        raise InvalidText("longer than allowed")
    if _FORBIDDEN.search(raw):
        raise InvalidText("holds control characters")
    # Upper-casing can leave a letter and its accent apart that belong in one character.
    upper = drop.sub("", unicodedata.normalize("NFKC", raw)).upper()
    folded = " ".join(unicodedata.normalize("NFKC", upper).split())
    if not folded:
        raise InvalidText("empty")
    if len(folded) > limit:
        raise InvalidText("longer than allowed")
    return folded


def normalise(number: str) -> str:
    """Fold `number` to the form in which it is compared: no spaces, no dashes, upper case.

    Raises InvalidText for text that is empty, longer than 64 characters, or not printable.
    """
    return fold(number, limit=NUMBER_LIMIT, drop=_SEPARATORS)


def normalise_issuer(issuer: str) -> str:
    """Fold an issuer's code or words; Germany's `D` of the zone becomes the usual `DEU`."""
    folded = fold(issuer, limit=NUMBER_LIMIT, drop=_UNSEEN)
    return "DEU" if folded == "D" else folded


def judge_issuer(kind: DocumentKind, issuer: str | None) -> frozenset[Finding]:
    """Tell what a normalised issuer is not. A passport's number is unique only beside one."""
    if issuer == SPECIMEN_ISSUER:
        return frozenset({Finding.SYNTHETIC})
    if kind in _ISSUED_BY_STATES and (issuer is None or not _ISSUER.fullmatch(issuer)):
        return frozenset({Finding.UNKNOWN_ISSUER})
    return frozenset()


def conclude(findings: AbstractSet[Finding]) -> frozenset[Finding]:
    """Add VALID when a document with checks of its own shows no fault."""
    sound = {Finding.VALID} if findings.isdisjoint(FAULTS) else set[Finding]()
    return frozenset(findings | sound)


def classify(number: str) -> tuple[DocumentKind, ...]:
    """The kinds a number without one may be of, the likeliest first; OTHER if of none.

    What the source declares is better: a permit and a passport can have one number.
    """
    folded = normalise(number)
    if is_resident_number(folded):
        sure = len(folded) == 15 or check_character(folded[:17]) == folded[17]
        return (_K.RESIDENT_ID,) if sure else (_K.RESIDENT_ID, _K.OTHER)
    likely = tuple(kind for kind in _GUESSED if _SHAPES[kind].fullmatch(folded))
    if folded.isalpha() or not likely:
        return (_K.OTHER,)
    return likely if _K.PASSPORT in likely or folded[0].isalpha() else (*likely, _K.OTHER)


def is_resident_number(number: str) -> bool:
    """Whether a number has the form of GB 11643, the old one if the day in it was one.

    Raises InvalidText, see `normalise`.
    """
    folded = normalise(number)
    if _OLD_RESIDENT.fullmatch(folded):
        return _day(f"19{folded[6:12]}") is not None
    return _RESIDENT.fullmatch(folded) is not None


def recognised(document: Document) -> Document:
    """The document under which its holder is met again, whichever paper or kind was told.

    What was stored before a kind existed is still met; a renewed permit is by the part of its
    number that stays; an old resident number is by the one that came of it.
    """
    kind, number, issuer = document.kind, document.number, document.issuer
    if kind in _NUMBERED and _SHAPES[_K.RESIDENT_ID].fullmatch(number):
        return Document(_K.RESIDENT_ID, _whole(number))
    if kind in _KNOWN_AS and _SHAPES[kind].fullmatch(number):
        before, usual, size = _KNOWN_AS[kind]
        return Document(before, number[:size], issuer or usual)
    return document


def is_synthetic(document: Document, prefixes: tuple[str, ...]) -> bool:
    """Whether a document read before belongs to nobody, and was made for exercises."""
    known = recognised(document)
    made_up = known.kind is _K.RESIDENT_ID and known.number.startswith(prefixes)
    return made_up or document.issuer == SPECIMEN_ISSUER


def _whole(number: str) -> str:
    """A resident number in 18 characters: the old form leaves out the century and the check."""
    if len(number) == 18:
        return number
    digits = f"{number[:6]}19{number[6:]}"
    return digits + check_character(digits)


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
    divisions: Regions = regions.BUILT_IN,
) -> ReadDocument:
    """Normalise a document of a known kind and tell what its number says and what is wrong.

    `today` is the hub's date; `synthetic` are the prefixes of resident numbers made up for
    exercises. Raises InvalidText, see `normalise`.
    """
    named = normalise_issuer(issuer) if issuer and kind is not _K.RESIDENT_ID else None
    if kind in NAMED_BY_KIND and named != SPECIMEN_ISSUER:
        named = None
    document = Document(kind, normalise(number), named)
    if kind in _NUMBERED and _SHAPES[_K.RESIDENT_ID].fullmatch(document.number):
        return _read_resident(document, today, synthetic, divisions)
    shape = _SHAPES.get(kind)
    formed = shape is None or shape.fullmatch(document.number)
    findings = {Finding.UNCHECKED if formed else Finding.MALFORMED, *judge_issuer(kind, named)}
    if (
        kind is _K.PASSPORT
        and named == "CHN"
        and not _CHINESE_SERIES.fullmatch(document.number)
    ):
        findings.add(Finding.UNKNOWN_SERIES)
    return ReadDocument(document, DocumentHolder(), frozenset(findings))


def _read_resident(
    document: Document, today: dt.date, synthetic: tuple[str, ...], divisions: Regions
) -> ReadDocument:
    number = _whole(document.number)
    doubts: set[Finding] = set()
    if check_character(number[:17]) != number[17]:
        doubts.add(Finding.INVALID_CHECK)
    born = _birth_date(number[6:14], today)
    if born is None:
        doubts.add(Finding.IMPLAUSIBLE_DATE)
    if number.startswith(synthetic):
        doubts.add(Finding.SYNTHETIC)
    elif not _known_region(number, born, divisions):
        doubts.add(Finding.UNKNOWN_REGION)
    if len(document.number) == len(number):
        findings = conclude(doubts)
    else:  # it has no check of its own
        findings = frozenset(doubts | {Finding.OLD_NUMBER, Finding.UNCHECKED})
    sex = Sex.MALE if int(number[16]) % 2 else Sex.FEMALE
    return ReadDocument(document, DocumentHolder(birth_date=born, sex=sex), findings)


def _known_region(number: str, born: dt.date | None, divisions: Regions) -> bool:
    if number.startswith(FOREIGNER):
        return number[1:3] in regions.PROVINCES
    return divisions.knows(number[:6], born.year if born else None)


def _birth_date(digits: str, today: dt.date) -> dt.date | None:
    """Read YYYYMMDD; None when no such day was, or nobody born on it can stand here."""
    born = _day(digits)
    return born if born and plausible_birth(born, today) else None


def _day(digits: str) -> dt.date | None:
    try:
        return dt.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def plausible_birth(born: dt.date, today: dt.date) -> bool:
    """Whether somebody born on that day can stand here."""
    return born <= today and today.year - born.year <= _OLDEST
