"""Zones of every size: the specimens of ICAO Doc 9303, and zones written by the writer below.

The writer and its table of check digits follow the standard's columns, which count from 1; they
share nothing with the reader.
"""

import datetime as dt
import string
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstile.identity import documents, mrz
from twinstile.identity.mrz_layouts import Part
from twinstile.identity.types import Document, DocumentKind, Finding, Sex

TODAY = dt.date(2012, 4, 15)
ALNUM = string.digits + string.ascii_uppercase
ERIKSSON_30 = "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"
STEVENSON_30 = "STEVENSON<<PETER<JOHN<<<<<<<<<"
CARD, VISA, PASSPORT = DocumentKind.ID_CARD, DocumentKind.VISA, DocumentKind.PASSPORT


@pytest.mark.parametrize(
    ("lines", "kind", "number", "born", "expires"),
    [
        (
            "I<UTOD231458907<<<<<<<<<<<<<<< 7408122F1204159UTO<<<<<<<<<<<6 " + ERIKSSON_30,
            CARD,
            "D23145890",
            "1974-08-12",
            "2012-04-15",
        ),
        (
            "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<< D231458907UTO7408122F1204159<<<<<<<6",
            CARD,
            "D23145890",
            "1974-08-12",
            "2012-04-15",
        ),
        (
            f"V<UTO{ERIKSSON_30}<<<<<<<<< L8988901C4XXX4009078F96121096ZE184226B<<<<<<",
            VISA,
            "L8988901C",
            "1940-09-07",
            "1996-12-10",
        ),
        (
            "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<< L8988901C4XXX4009078F9612109<<<<<<<<",
            VISA,
            "L8988901C",
            "1940-09-07",
            "1996-12-10",
        ),
        (
            "I<UTOD23145890<7349<<<<<<<<<<< 3407127M9507122UTO<<<<<<<<<<<2 " + STEVENSON_30,
            CARD,
            "D23145890734",
            "1934-07-12",
            "1995-07-12",
        ),
        (
            "I<UTOSTEVENSON<<PETER<JOHN<<<<<<<<<< D23145890<UTO3407127M95071227349<<<8",
            CARD,
            "D23145890734",
            "1934-07-12",
            "1995-07-12",
        ),
    ],
    ids=["TD1", "TD2", "MRV-A", "MRV-B", "TD1 long", "TD2 long"],
)
def test_the_specimens_read_as_printed(lines, kind, number, born, expires):
    zone = mrz.read(lines.split(), today=TODAY)
    assert zone.read.document == Document(kind, number, "UTO")
    assert zone.failed == set()
    assert zone.read.findings - {Finding.EXPIRED} == {Finding.VALID, Finding.SYNTHETIC}
    assert (zone.born, str(zone.expires_on)) == (born, expires)
    assert (zone.primary, zone.secondary) in {
        ("ERIKSSON", "ANNA MARIA"),
        ("STEVENSON", "PETER JOHN"),
    }


def digit(characters):
    values = [int(c, 36) if c != "<" else 0 for c in characters]
    return str(sum(v * (7, 3, 1)[i % 3] for i, v in enumerate(values)) % 10)


@dataclass(frozen=True)
class Size:
    """One size: its width, and for each check digit the columns it covers and its own."""

    width: int
    checks: dict[Part, tuple[list[tuple[int, int, int]], tuple[int, int]]]
    codes: str = field(default="ACI")


TWO_LINES = {
    Part.NUMBER: ([(2, 1, 9)], (2, 10)),
    Part.BIRTH: ([(2, 14, 19)], (2, 20)),
    Part.EXPIRY: ([(2, 22, 27)], (2, 28)),
}
SIZES = {
    "TD1": Size(
        30,
        {
            Part.NUMBER: ([(1, 6, 14)], (1, 15)),
            Part.BIRTH: ([(2, 1, 6)], (2, 7)),
            Part.EXPIRY: ([(2, 9, 14)], (2, 15)),
            Part.COMPOSITE: ([(1, 6, 30), (2, 1, 7), (2, 9, 15), (2, 19, 29)], (2, 30)),
        },
    ),
    "TD2": Size(
        36,
        TWO_LINES | {Part.COMPOSITE: ([(2, 1, 10), (2, 14, 20), (2, 22, 35)], (2, 36))},
    ),
    "TD3": Size(
        44,
        TWO_LINES
        | {
            Part.OPTIONAL: ([(2, 29, 42)], (2, 43)),
            Part.COMPOSITE: ([(2, 1, 10), (2, 14, 20), (2, 22, 43)], (2, 44)),
        },
        "P",
    ),
    "MRV-A": Size(44, TWO_LINES, "V"),
    "MRV-B": Size(36, TWO_LINES, "V"),
}


def columns(lines, spans):
    return "".join(lines[line - 1][first - 1 : last] for line, first, last in spans)


def sealed(size, lines):
    """The lines with every check digit that is still an asterisk filled in."""
    for covers, (line, at) in size.checks.values():
        row = lines[line - 1]
        if row[at - 1] == "*":
            lines[line - 1] = row[: at - 1] + digit(columns(lines, covers)) + row[at:]
    return lines


def write(name, told):
    """A zone of that size. A card's number of more than nine goes on in the optional data."""
    size, number, more = SIZES[name], told["number"], told["optional"]
    mark = "*"
    if len(number) > 9:
        number, mark = told["number"][:9], "<"
        more = f"{told['number'][9:]}{digit(told['number'])}<{more}"
    number = f"{number:<<9}{mark}"
    names = f"{told['primary']}<<{told['secondary']}"
    head = f"{told['code']:<<2}{told['issuer']:<<3}"
    born, until = f"{told['born']}*", f"{told['until']}*"
    if name == "TD1":
        first = f"{head}{number}{more:<<15}"[:30]
        lines = [first, f"{born}{told['sex']}{until}UTO{'':<<11}*", f"{names:<<30}"[:30]]
    else:
        end = {"TD2": f"{more:<<7}*", "TD3": f"{more:<<14}**"}.get(name, "")
        second = f"{number}UTO{born}{told['sex']}{until}{end}"
        lines = [f"{head}{names:<<{size.width}}"[: size.width], f"{second:<<{size.width}}"]
    return sealed(size, lines)


LETTERS = st.text(string.ascii_uppercase, min_size=1, max_size=9)


@st.composite
def zones(draw, name=None):
    name = name or draw(st.sampled_from(sorted(SIZES)))
    longest = {"TD1": 20, "TD2": 14}.get(name, 9)
    number = draw(st.text(ALNUM, min_size=1, max_size=longest))
    room = {"TD1": 13 - max(len(number) - 9, 0), "TD3": 14}.get(name, 0)
    told = {
        "code": draw(st.sampled_from(SIZES[name].codes)),
        "issuer": draw(st.sampled_from(["UTO", "D", "FRA"])),
        "number": number,
        "optional": draw(st.text(ALNUM, max_size=max(room, 0))),
        "primary": draw(LETTERS),
        "secondary": draw(LETTERS),
        "born": draw(st.dates(dt.date(1912, 4, 16), TODAY)).strftime("%y%m%d"),
        "until": draw(st.dates(dt.date(1962, 1, 1), dt.date(2061, 12, 31))).strftime("%y%m%d"),
        "sex": draw(st.sampled_from("MF<")),
    }
    return name, told, write(name, told)


@given(zones())
def test_any_zone_that_is_written_is_read_back(zone):
    name, told, lines = zone
    assert {len(line) for line in lines} == {SIZES[name].width}
    found = mrz.read(lines, today=TODAY)
    kind = {"P": PASSPORT, "V": VISA}.get(told["code"], CARD)
    issuer = {"D": "DEU"}.get(told["issuer"], told["issuer"])
    assert found.failed == set()
    assert found.read.document == Document(kind, told["number"], issuer)
    assert found.read.holder.birth_date.strftime("%y%m%d") == told["born"]
    assert found.expires_on.strftime("%y%m%d") == told["until"]
    assert (found.primary, found.secondary) == (told["primary"], told["secondary"])
    sexes = {"M": Sex.MALE, "F": Sex.FEMALE, "<": Sex.UNSPECIFIED}
    assert found.read.holder.sex is sexes[told["sex"]]
    assert Finding.VALID in found.read.findings


def covered(name, told):
    """Each check digit with the places it weighs, in their order, and its own place."""
    for part, (covers, end) in SIZES[name].checks.items():
        own = end
        places = [(line, at) for line, a, b in covers for at in range(a, b + 1)]
        if part is Part.NUMBER and len(told["number"]) > 9:
            start = {"TD1": (1, 16), "TD2": (2, 29)}[name]
            more = [(start[0], start[1] + n) for n in range(len(told["number"]) - 9)]
            places += more
            own = (start[0], start[1] + len(more))
        yield part, places, own


@given(zones(), st.data())
def test_one_wrong_character_is_found_wherever_the_standard_can(zone, data):
    name, told, lines = zone
    places = [
        (line, at)
        for line, row in enumerate(lines, 1)
        for at, character in enumerate(row, 1)
        if character != "<" and (line, at) > (1, 2)
    ]
    line, at = place = data.draw(st.sampled_from(places))
    old = lines[line - 1][at - 1]
    new = data.draw(st.sampled_from(ALNUM.replace(old, "")))
    off = int(new, 36) - int(old, 36)
    expected = {
        part
        for part, weighed, own in covered(name, told)
        if place == own
        or (place in weighed and off * (7, 3, 1)[weighed.index(place) % 3] % 10 != 0)
    }
    lines[line - 1] = lines[line - 1][: at - 1] + new + lines[line - 1][at:]
    found = mrz.read(lines, today=TODAY)
    assert found.failed == expected
    assert (Finding.INVALID_CHECK in found.read.findings) == bool(expected)
    assert not expected or Finding.VALID not in found.read.findings


def one(name, **changed):
    told = {
        "code": SIZES[name].codes[0],
        "issuer": "UTO",
        "number": "D23145890",
        "optional": "",
        "primary": "ERIKSSON",
        "secondary": "ANNA",
        "born": "740812",
        "until": "120415",
        "sex": "F",
    }
    return write(name, told | changed)


@pytest.mark.parametrize("name", SIZES)
def test_a_name_that_fills_its_field_may_be_longer(name):
    room = {"TD1": 30}.get(name, SIZES[name].width - 5)
    cut = mrz.read(one(name, secondary="A" * (room - 10)), today=TODAY)
    whole = mrz.read(one(name, secondary="A" * (room - 11)), today=TODAY)
    assert (cut.name_cut, whole.name_cut) == (True, False)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize(
    ("born", "read"),
    [("<<<<<<", ""), ("74<<<<", "1974"), ("120416", "1912-04-16"), ("120415", "2012-04-15")],
)
def test_births_read_alike_in_every_size(name, born, read):
    zone = mrz.read(one(name, born=born), today=TODAY)
    assert (zone.born, zone.failed) == (read, set())


def test_a_filler_for_the_digit_of_a_short_number_is_a_fault():
    first, *rest = one("TD1", number="D23", optional="4567")
    lines = [first[:14] + "<" + first[15:], *rest]
    zone = mrz.read(lines, today=TODAY)
    assert Part.NUMBER in zone.failed
    assert zone.read.document.number == "D23"


@pytest.mark.parametrize(
    ("issuer", "number", "declared", "kind"),
    [
        ("CHN", "H00000001", None, DocumentKind.HK_MACAU_PERMIT),
        ("CHN", "00000001", None, DocumentKind.TAIWAN_PERMIT),
        ("CHN", "C00000001", None, CARD),
        ("CHN", "C00000001", DocumentKind.TAIWAN_PERMIT, DocumentKind.TAIWAN_PERMIT),
        ("CHN", "C00000001", DocumentKind.PASSPORT, CARD),
        ("CHN", "911124199002010018", None, DocumentKind.RESIDENT_ID),
        ("UTO", "H00000001", None, CARD),
        ("UTO", "H00000001", DocumentKind.HK_MACAU_PERMIT, DocumentKind.HK_MACAU_PERMIT),
        ("FRA", "H00000001", DocumentKind.HK_MACAU_PERMIT, CARD),
    ],
)
def test_cards_of_china_are_told_apart_by_what_is_declared_and_their_number(
    issuer, number, declared, kind
):
    lines = one("TD1", code="C", issuer=issuer, number=number)
    document = mrz.read(lines, today=TODAY, declared=declared).read.document
    named = None if kind in documents.NAMED_BY_KIND and issuer == "CHN" else issuer
    assert document == Document(kind, number, named)


def test_a_permit_is_met_by_its_zone_and_by_its_number():
    kind = DocumentKind.HK_MACAU_PERMIT
    zone = mrz.read(one("TD1", code="C", issuer="CHN", number="H00000001"), today=TODAY)
    keyed = documents.read(kind, "H0000000102", today=TODAY).document
    assert documents.recognised(zone.read.document) == documents.recognised(keyed)


def test_three_lines_are_read_as_a_card_whatever_the_letter():
    zone = mrz.read(one("TD1", code="V"), today=TODAY)
    assert (zone.read.document.kind, zone.failed) == (VISA, set())
