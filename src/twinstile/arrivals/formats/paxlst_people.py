"""One traveller of a PAXLST message, gathered from NAD and what follows it, or from PDT."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from twinstile.arrivals.formats import rows
from twinstile.arrivals.formats.edifact import Segment
from twinstile.arrivals.records import DocumentClaim, TravellerRole
from twinstile.identity import codes, contacts, documents
from twinstile.identity.codes import System
from twinstile.identity.types import (
    Contact,
    ContactKind,
    ContactOwner,
    DocumentKind,
    InvalidText,
    Sex,
)

CREW: Final = frozenset({"FM", "DDT", "VW"})
"""Crew, crew in transit, and who drives (land borders)."""
PASSENGERS: Final = frozenset({"FL", "DDU", "ZZZ"})
"""Passengers, those in transit, and whom a flight status only refers to."""
OFFICES: Final = frozenset({"MS", "MR", "AG", "BA", "CA", "CN", "CZ", "CM", "CB", "GV"})
"""Senders, agencies, carriers, authorities: nobody who travels."""

NAME_LIMIT: Final = 35
"""Characters of a part of a name in the message; longer ones arrive cut off (an..35)."""
_NO_NAME: Final = frozenset({"FNU", "LNU", "NFN", "NLN"})
"""Words that American documents print where a person has one name only."""
_SEXES: Final = {"M": Sex.MALE, "F": Sex.FEMALE, "X": Sex.UNSPECIFIED, "U": Sex.UNSPECIFIED}
_INFANT_YEARS: Final = 2
_BEST_FIRST: Final = (
    DocumentKind.RESIDENT_ID,
    DocumentKind.PASSPORT,
    DocumentKind.TAIWAN_PERMIT,
    DocumentKind.HK_MACAU_PERMIT,
    DocumentKind.ID_CARD,
    DocumentKind.MILITARY_ID,
)
"""Of several documents the one that is shown at a gate; visas and licences come last."""
_CARDS: Final = {
    "A": DocumentKind.ID_CARD,
    "C": DocumentKind.ID_CARD,
    "I": DocumentKind.ID_CARD,
}
"""First letters of cards of the size TD1 or TD2 (ICAO Doc 9303-5)."""

_ALPHA3: Final = {state[:2]: state[2:] for state in rows.WORDS["country"]["alpha3"].split()}
"""The three letters of a state by its two (ISO 3166-1): some carriers send these."""


@dataclass(slots=True)
class _ListedDocument:
    code: str
    number: str = field(repr=False)
    issuer: str = ""

    @property
    def kind(self) -> DocumentKind:
        known = codes.kind_of(System.PAXLST, self.code, self.number)
        if known is None and self.code[:1] == "P" and len(self.code) == 2:
            known = DocumentKind.PASSPORT  # PD, PO: of a diplomat, of an official
        if known is None and self.code != "AC":  # the certificate of a crew member
            known = _CARDS.get(self.code[:1])
        return known or DocumentKind.OTHER


@dataclass(slots=True)
class ListedPerson:
    """What has been said of one so far; `row` is the segment that began it."""

    row: int
    role: TravellerRole
    quality: list[str] = field(default_factory=list[str])
    name: str = field(default="", repr=False)
    birth_date: dt.date | None = field(default=None, repr=False)
    sex: Sex | None = None
    nationality: str = ""
    board: str | None = None
    alight: str | None = None
    seat: str | None = None
    party: str | None = None
    reference: str = ""
    contact: Contact | None = field(default=None, repr=False)
    documents: list[_ListedDocument] = field(default_factory=list[_ListedDocument])

    def add(self, segment: Segment, today: dt.date) -> None:
        if take := _TAKES.get(segment.tag):
            take(self, segment, today)

    def is_nobody(self) -> bool:
        return not (self.name or self.documents or self.reference)

    def role_on(self, day: dt.date) -> TravellerRole:
        """A passenger below two years without a seat is an infant."""
        if self.role is TravellerRole.PASSENGER and self.birth_date and not self.seat:
            turned = (
                self.birth_date.year + _INFANT_YEARS,
                self.birth_date.month,
                self.birth_date.day,
            )
            if turned > (day.year, day.month, day.day):
                return TravellerRole.INFANT
        return self.role

    def document(self) -> DocumentClaim | None:
        """The document a gate will see, or None; what is no number is noted."""
        ranked = sorted(self.documents, key=lambda paper: _rank(paper.kind))
        for paper in ranked:
            try:
                documents.normalise(paper.number)
            except InvalidText:
                self.quality.append("document-unreadable")
                continue
            kind = paper.kind
            issuer = self._issuer(paper, kind)
            return DocumentClaim(
                kind, paper.number, issuer, self.name or None, self.birth_date, self.sex
            )
        return None

    def key(self) -> str:
        """The sender's own reference of the person, else a digest of all that is known.

        Everything goes into the digest, because one of a number alone could be undone.
        """
        if self.reference:
            return self.reference
        papers = [part for paper in self.documents for part in (paper.code, paper.number)]
        known = "\x1f".join([*papers, self.name, str(self.birth_date)]).upper()
        return "~" + blake2b(known.encode(), digest_size=12).hexdigest()

    def _issuer(self, paper: _ListedDocument, kind: DocumentKind) -> str | None:
        if kind is DocumentKind.OTHER:  # words: what it is and who gave it
            return " ".join(part for part in (paper.code, paper.issuer) if part) or None
        issuer = _alpha3(paper.issuer)
        if issuer is None and self.nationality:
            self.quality.append("issuer-from-nationality")
            issuer = _alpha3(self.nationality)
        return issuer


def _alpha3(code: str) -> str | None:
    """Three letters as they are, two looked up; Germany's `D` stays. None for anything else."""
    if code == "D" or (len(code) == 3 and code.isascii() and code.isalpha()):
        return code
    return _ALPHA3.get(code)


def begin_person(
    segment: Segment, listed: TravellerRole, today: dt.date
) -> ListedPerson | None:
    """Begin the person a NAD or PDT names; None for a sender, an agency, an authority.

    `listed` is whom the message lists: of that role are those whom no qualifier tells apart.
    """
    if segment.tag == "PDT":
        return _american(segment, today)
    qualifier = segment.get(1).upper()
    if qualifier in OFFICES or not qualifier:
        return None
    role = TravellerRole.PASSENGER if qualifier in PASSENGERS else listed
    person = ListedPerson(segment.row, TravellerRole.CREW if qualifier in CREW else role)
    if qualifier not in CREW | PASSENGERS:
        person.quality.append("unknown-party")
    parts = segment.elements[3] if len(segment.elements) > 3 else ()
    _set_names(person, parts[:3] if any(parts) else (segment.get(3),))
    return person


def birth(text: str, today: dt.date) -> dt.date | None:
    """Read YYMMDD or YYYYMMDD; of two digits the latest year that is not to come."""
    if len(text) not in {6, 8} or not (text.isascii() and text.isdigit()):
        return None
    year, month, day = int(text[:-4]), int(text[-4:-2]), int(text[-2:])
    if len(text) == 6:
        year += today.year // 100 * 100
        if (year, month, day) > (today.year, today.month, today.day):
            year -= 100
    try:
        born = dt.date(year, month, day)
    except ValueError:
        return None
    return born if documents.plausible_birth(born, today) else None


def _rank(kind: DocumentKind) -> int:
    return _BEST_FIRST.index(kind) if kind in _BEST_FIRST else len(_BEST_FIRST)


def _set_names(person: ListedPerson, parts: tuple[str, ...]) -> None:
    told = [part for part in parts if part]
    names = [part for part in told if part.upper() not in _NO_NAME]
    if any(len(part) >= NAME_LIMIT for part in names):
        person.quality.append("name-truncated")
    if len(names) == 1:
        person.quality.append("single-name")
    person.name = " ".join(names)[: 3 * NAME_LIMIT]


def _american(segment: Segment, today: dt.date) -> ListedPerson:
    """Read `P/number:expiry:state+surname:given:middle:birth:sex+PAX+from:to` (before 2005)."""
    role = (
        TravellerRole.CREW
        if segment.get(3).upper().startswith("CR")
        else TravellerRole.PASSENGER
    )
    person = ListedPerson(segment.row, role)
    code, _, number = segment.get(1).partition("/")
    if number:
        person.documents.append(
            _ListedDocument(code.upper(), number, segment.get(1, 2).upper())
        )
    _set_names(person, tuple(segment.get(2, place) for place in range(3)))
    person.birth_date = birth(segment.get(2, 3), today)
    if person.birth_date is None:
        person.quality.append("birth-date")
    person.sex = _SEXES.get(segment.get(2, 4)[:1].upper())
    person.board = segment.get(4).upper()[:17] or None
    person.alight = segment.get(4, 1).upper()[:17] or None
    return person


def _att(person: ListedPerson, segment: Segment, _today: dt.date) -> None:
    if segment.get(1) == "2":
        person.sex = _SEXES.get(segment.get(3)[:1].upper())


def _dtm(person: ListedPerson, segment: Segment, today: dt.date) -> None:
    if segment.get(1) == "329":
        person.birth_date = birth(segment.get(1, 1) or segment.get(2), today)
        if person.birth_date is None:
            person.quality.append("birth-date")


def _loc(person: ListedPerson, segment: Segment, _today: dt.date) -> None:
    place = segment.get(2).upper()[:17]
    match segment.get(1):
        case "178":
            person.board = place or None
        case "179":
            person.alight = place or None
        case "91" if person.documents:
            person.documents[-1].issuer = place
        case _:
            pass


def _nat(person: ListedPerson, segment: Segment, _today: dt.date) -> None:
    person.nationality = segment.get(2).upper()


def _rff(person: ListedPerson, segment: Segment, _today: dt.date) -> None:
    value = segment.get(1, 1)[:35]
    match segment.get(1):
        case "AVF":
            person.party = value or None
        case "ABO":
            person.reference = value
        case "SEA":
            person.seat = value or None
        case _:
            pass


def _doc(person: ListedPerson, segment: Segment, _today: dt.date) -> None:
    code, number = segment.get(1).upper(), segment.get(2)
    if not number and segment.elements:  # as the last component of the kind
        number = "".join(segment.elements[0][1:][-1:])
    if number:
        person.documents.append(_ListedDocument(code, number))


def _com(person: ListedPerson, segment: Segment, _today: dt.date) -> None:
    kinds = {"TE": ContactKind.PHONE, "AL": ContactKind.PHONE, "EM": ContactKind.EMAIL}
    for written, *qualifiers in segment.elements:
        kind = kinds.get("".join(qualifiers[:1]).upper())
        if kind is None or person.contact is not None:
            continue
        try:
            value = contacts.read(kind, written)
        except InvalidText:
            person.quality.append("contact-unreadable")
        else:
            person.contact = Contact(kind, ContactOwner.SELF, value)


_TAKES: Final[Mapping[str, Callable[[ListedPerson, Segment, dt.date], None]]] = {
    "ATT": _att,
    "DTM": _dtm,
    "LOC": _loc,
    "NAT": _nat,
    "RFF": _rff,
    "DOC": _doc,
    "COM": _com,
}
