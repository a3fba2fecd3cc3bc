"""Passenger and crew lists, as carriers really write them."""

# ruff: noqa: RUF001 -- names in other scripts are the point

import datetime as dt
import re
import time
import tracemalloc
from collections import Counter
from collections.abc import Sequence

import published_vectors
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from twinstile.arrivals.formats import edifact, paxlst
from twinstile.arrivals.records import (
    ArrivalEvent,
    Delivery,
    ManifestEnd,
    ManifestRow,
    Mode,
    Op,
    ReaderContext,
    Record,
    Reject,
    RunStatus,
    TravellerRole,
    UnreadableDelivery,
)
from twinstile.identity.types import ContactKind, DocumentKind, Sex

TODAY = dt.date(2026, 3, 2)
NOW = dt.datetime(2026, 3, 2, 6, tzinfo=dt.UTC)
SHANGHAI = dt.timezone(dt.timedelta(hours=8))

PERSON = (
    "NAD+FL+++DOE:ANN'ATT+2++F'DTM+329:900102'RFF+ABO:R1'DOC+P:110:111+X1234567'LOC+91+UTO'"
)
WAY = "TDT+20+MU5101+++MU'LOC+125+PEK'DTM+189:2603020800:201'LOC+87+SHA'DTM+232:2603021015:201'"


def interchange(*messages: str, una: str = "UNA:+.? '", prepared: str = "260302:0500") -> str:
    head = f"{una}UNB+UNOA:4+AIR+HUB+{prepared}+77'"
    return head + "".join(messages) + f"UNZ+{len(messages)}+77'"


def message(
    *body: str, bgm: str = "BGM+745'", way: str = WAY, unh: str = "", count: int | None = None
) -> str:
    inside = "".join((bgm, way, *body))
    segments = len(re.findall(r"(?<!\?)'", inside)) + 2 if count is None else count
    return f"UNH+M1+PAXLST:D:05B:UN:IATA{unh}'{inside}UNT+{segments}+M1'"


def read(body: str | bytes, *stops: str, today: dt.date = TODAY) -> list[Record | Reject]:
    raw = body.encode() if isinstance(body, str) else body
    reading = ReaderContext(SHANGHAI, today, frozenset(stops))
    return [
        found
        for found in paxlst.read(Delivery(raw, NOW), reading)
        if isinstance(found, Record | Reject)
    ]


def rows(found: Sequence[Record | Reject]) -> list[ManifestRow]:
    return [one for one in found if isinstance(one, ManifestRow)]


def arrivals(found: Sequence[Record | Reject]) -> list[ArrivalEvent]:
    return [one for one in found if isinstance(one, ArrivalEvent)]


def ends(found: Sequence[Record | Reject]) -> list[ManifestEnd]:
    return [one for one in found if isinstance(one, ManifestEnd)]


def only(*body: str) -> ManifestRow:
    [row] = rows(read(interchange(message(*body))))
    return row


def sample(name: str) -> bytes:
    data = published_vectors.shared_data()
    if data is None or not (data / "feeds" / name).exists():
        pytest.skip("no real lists here: set TWINSTILE_SHARED_DATA to the folder with feeds/")
    return (data / "feeds" / name).read_bytes()


CREW_FILE = "paxlst_02B_crew_no-UNA_one-line.txt"
LEGS_FILE = "paxlst_05B_multi-leg_newlines.txt"


@pytest.mark.parametrize(
    ("name", "people", "role", "legs"),
    [(CREW_FILE, 8, TravellerRole.CREW, 1), (LEGS_FILE, 2, TravellerRole.PASSENGER, 3)],
)
def test_real_lists_are_read_whole(name: str, people: int, role: TravellerRole, legs: int):
    """Compares figures only: a failure must not print who is on the list."""
    body = sample(name)
    found = read(body, today=dt.date(2026, 11, 25))
    counted = Counter(type(one).__name__ for one in found)
    assert counted == {"ArrivalEvent": 1, "ManifestRow": people, "ManifestEnd": 1}
    assert {row.role for row in rows(found)} == {role}
    documented = [bool(row.document and row.document.birth_date) for row in rows(found)]
    assert documented == people * [True]
    assert ends(found)[0].row_count == people
    segments = [one for one in edifact.segments(body.decode()) if one.tag == "TDT"]
    assert len(segments) == legs


def test_the_last_of_three_real_legs_is_where_they_arrive():
    [event] = arrivals(read(sample(LEGS_FILE), today=dt.date(2008, 7, 9)))
    assert (event.from_stop, event.hub_stop, event.run.service_no) == ("IAD", "CDG", "QQ827")
    assert event.run.service_date == dt.date(2008, 8, 10)
    [event] = arrivals(read(sample(LEGS_FILE), "JFK", today=dt.date(2008, 7, 9)))
    assert (event.hub_stop, event.to_stop) == ("JFK", "CDG")


def test_a_list_becomes_its_flight_its_people_and_an_end():
    party = "RFF+AVF:PNR01'RFF+SEA:12F'LOC+178+PEK'LOC+179+SHA'COM+86 138 0000 0000:TE'"
    found = read(interchange(message(PERSON + party, "CNT+42:1'")), "SHA")
    [event], [row], [end] = arrivals(found), rows(found), ends(found)
    assert (event.run.scheme, event.run.service_no) == ("iata", "MU5101")
    assert event.run.service_date == dt.date(2026, 3, 2)
    assert (event.mode, event.status) == (Mode.AIR, RunStatus.SCHEDULED)
    assert event.scheduled_arrival == dt.datetime(2026, 3, 2, 10, 15, tzinfo=SHANGHAI)
    assert event.origin.version == int(dt.datetime(2026, 3, 2, 5, tzinfo=dt.UTC).timestamp())
    assert row.document is not None
    assert (row.document.kind, row.document.number) == (DocumentKind.PASSPORT, "X1234567")
    assert (row.document.issuer, row.document.name) == ("UTO", "DOE ANN")
    assert (row.document.birth_date, row.document.sex) == (dt.date(1990, 1, 2), Sex.FEMALE)
    assert (row.board_stop, row.alight_stop) == ("PEK", "SHA")
    assert (row.seat, row.party, row.op) == ("12F", "PNR01", Op.UPSERT)
    assert row.contact is not None
    assert (row.contact.kind, row.contact.value) == (ContactKind.PHONE, "8613800000000")
    assert (end.rows, end.rejected, end.row_count, end.run) == (1, 0, 1, row.run)
    assert end.roles == {TravellerRole.PASSENGER, TravellerRole.INFANT}
    assert end.origin.quality == ()


def with_delimiters(text: str, component: str, element: str, release: str, end: str) -> str:
    return text.translate(str.maketrans(":+?'", component + element + release + end))


PLAIN = interchange(message(PERSON, "CNT+42:1'"), una="")


@pytest.mark.parametrize(
    "written",
    [
        "UNA:+.? '" + PLAIN,
        PLAIN,
        "UNA:+.?*'" + PLAIN,
        "UNA:+.?'" + PLAIN,
        "\ufeffUNA:+.? '" + PLAIN,
        " UNA:+.? '\n " + PLAIN.replace("'", "'\n "),
        "UNA:+.? '" + PLAIN.replace("'", "'\r\n") + "13Nov09",
        "UNA:*.? $" + with_delimiters(PLAIN, ":", "*", "?", "$"),
        "UNA:(.) -\n " + with_delimiters(PLAIN, ":", "(", ")", "-").replace("-U", "-\n   U"),
        "UNA:+.? \n" + PLAIN.replace("'", "\n"),
        PLAIN.replace("'", '"'),
        with_delimiters(PLAIN, ":", "*", "?", "$"),
        PLAIN.replace("UNH+", "UNH +").replace("DTM+", "dtm+"),
        "CICA\t \n\n.HDQCRA9 130631\n" + "\n".join(re.findall(".{1,7}", "UNA:+.? '" + PLAIN)),
        "QK LONPPXS\r\n.MUCKMTS 250521\r\n\x02" + PLAIN + "\x03",
        PLAIN[PLAIN.index("UNH") :],
        PLAIN.replace("UNH", "UNG+PAXLST+A+B+260302:0500+1+UN+D:05B'UNH").replace(
            "UNZ", "UNE+1+1'UNZ"
        ),
    ],
)
def test_it_is_the_same_list_however_it_is_written(written: str):
    found = read(written)
    [row] = rows(found)
    assert row.document is not None
    assert (row.document.name, row.document.number) == ("DOE ANN", "X1234567")
    assert (row.run.service_no, row.run.service_date) == ("MU5101", TODAY)
    [end] = ends(found)
    assert (end.rows, end.row_count) == (1, 1)


@pytest.mark.parametrize(
    ("name", "said", "quality"),
    [
        ("NAD+FL+++O?'LEARY:KRIS:ANN'", "O'LEARY KRIS ANN", ()),
        ("NAD+FL+++O??:A?+B:C?:D'", "O? A+B C:D", ()),
        ("NAD+FL+++DUPONT-SMITH:ANNE-MARIE'", "DUPONT-SMITH ANNE-MARIE", ()),
        ("NAD+FL+++SUKARNO'", "SUKARNO", ("single-name",)),
        ("NAD+FL+++SUKARNO:FNU'", "SUKARNO", ("single-name",)),
        ("NAD+FL++SUKARNO'", "SUKARNO", ("single-name",)),
        (f"NAD+FL+++{'A' * 35}:BO'", f"{'A' * 35} BO", ("name-truncated",)),
        ("NAD+FL+++DOE:ANN+1 MAIN ST+STAFFORD+VA+22554+USA'", "DOE ANN", ()),
        ("NAD+FL+0000041153:109++DOE:ANN::::1'", "DOE ANN", ()),
    ],
)
def test_names(name: str, said: str, quality: tuple[str, ...]):
    row = only(name + PERSON.partition("'")[2])
    assert row.document is not None
    assert row.document.name == said
    assert row.origin.quality == quality


@pytest.mark.parametrize(
    ("written", "born"),
    [
        ("680223", dt.date(1968, 2, 23)),
        ("260302", dt.date(2026, 3, 2)),  # today
        ("260303", dt.date(1926, 3, 3)),  # tomorrow has not been
        ("19301231", dt.date(1930, 12, 31)),
        ("20301231", None),
        ("680000", None),
        ("000229", dt.date(2000, 2, 29)),
        ("１２0101", None),
    ],
)
def test_births_of_two_digits_are_the_latest_that_can_be(written: str, born: dt.date | None):
    row = only(PERSON.replace("329:900102", f"329:{written}"))
    assert row.document is not None
    assert row.document.birth_date == born
    assert row.origin.quality == (() if born else ("birth-date",))


@pytest.mark.parametrize(
    ("papers", "kind", "issuer"),
    [
        ("DOC+P+X1'LOC+91+GBR:::LONDON'", DocumentKind.PASSPORT, "GBR"),
        ("DOC+P:43817+X1'LOC+91+D'", DocumentKind.PASSPORT, "D"),
        ("DOC+P:::::X1'LOC+91+US:162'", DocumentKind.PASSPORT, "USA"),
        ("NAT+2+FRA'DOC+P+X1'", DocumentKind.PASSPORT, "FRA"),
        ("DOC+PD+X1'LOC+91+FRA'", DocumentKind.PASSPORT, "FRA"),
        ("DOC+V+V7'LOC+91+CHN'DOC+P+X1'LOC+91+FRA'", DocumentKind.PASSPORT, "FRA"),
        ("DOC+T:110:ZZZ+X1'LOC+91+CHN'", DocumentKind.TAIWAN_PERMIT, "CHN"),
        ("DOC+IP+X1'LOC+91+USA'", DocumentKind.ID_CARD, "USA"),
        ("DOC+L+X1'LOC+91+GBR'", DocumentKind.OTHER, "L GBR"),
    ],
)
def test_the_document_a_gate_will_see(papers: str, kind: DocumentKind, issuer: str):
    row = only("NAD+FL+++DOE:ANN'" + papers)
    assert row.document is not None
    assert (row.document.kind, row.document.number, row.document.issuer) == (kind, "X1", issuer)


def test_nobody_is_dropped_for_want_of_a_document_and_a_nameless_row_is_told():
    found = read(interchange(message("NAD+FL+++DOE:ANN'", "NAD+FL'ATT+2++M'", PERSON)))
    assert [row.document is None for row in rows(found)] == [True, False]
    assert [(r.reason, r.column) for r in found if isinstance(r, Reject)] == [
        ("missing-value", "NAD")
    ]
    assert [(end.rows, end.rejected) for end in ends(found)] == [(3, 1)]


@pytest.mark.parametrize(
    ("nad", "born", "seat", "role"),
    [
        ("FL", "900102", "", TravellerRole.PASSENGER),
        ("DDU", "900102", "", TravellerRole.PASSENGER),
        ("FM", "900102", "", TravellerRole.CREW),
        ("DDT", "900102", "", TravellerRole.CREW),
        ("FL", "250102", "", TravellerRole.INFANT),
        ("FL", "250102", "RFF+SEA:1A'", TravellerRole.PASSENGER),
        ("FL", "240302", "", TravellerRole.PASSENGER),  # two years old on the day
        ("QQ", "900102", "", TravellerRole.PASSENGER),
    ],
)
def test_roles(nad: str, born: str, seat: str, role: TravellerRole):
    row = only(f"NAD+{nad}+++DOE:ANN'DTM+329:{born}'{seat}")
    assert row.role is role
    assert ("unknown-party" in row.origin.quality) == (nad == "QQ")


def test_offices_are_nobody_who_travels():
    found = read(
        interchange(message("NAD+MS+++HELP DESK'COM+1:TE'", "NAD+AG+++AGENT'", PERSON))
    )
    assert len(rows(found)) == 1


@pytest.mark.parametrize(
    ("bgm", "role", "op", "ends_told"),
    [
        (
            "BGM+745'",
            TravellerRole.PASSENGER,
            Op.UPSERT,
            [{TravellerRole.PASSENGER, TravellerRole.INFANT}],
        ),
        (
            "BGM+745+987654321+9'",
            TravellerRole.PASSENGER,
            Op.UPSERT,
            [{TravellerRole.PASSENGER, TravellerRole.INFANT}],
        ),
        ("BGM+250+C'", TravellerRole.CREW, Op.UPSERT, [{TravellerRole.CREW}]),
        ("BGM+250+CC'", TravellerRole.CREW, Op.UPSERT, []),
        ("BGM+745+CP'", TravellerRole.PASSENGER, Op.UPSERT, []),
        ("BGM+745+XR'", TravellerRole.PASSENGER, Op.DELETE, []),
        ("BGM+745+RP'", TravellerRole.PASSENGER, Op.DELETE, []),
        ("BGM+745++3'", TravellerRole.PASSENGER, Op.DELETE, []),
        ("BGM+745++2'", TravellerRole.PASSENGER, Op.UPSERT, []),
        ("BGM+266+CLNB'", TravellerRole.PASSENGER, Op.DELETE, []),
    ],
)
def test_what_a_message_does(
    bgm: str, role: TravellerRole, op: Op, ends_told: list[set[TravellerRole]]
):
    person = PERSON.replace("NAD+FL", "NAD+FM") if role is TravellerRole.CREW else PERSON
    found = read(interchange(message(person, bgm=bgm)))
    assert [(row.role, row.op) for row in rows(found)] == [(role, op)]
    assert [end.roles for end in ends(found)] == ends_told


def test_a_person_keeps_the_key_through_changes_and_keys_tell_nobody():
    [told] = rows(read(interchange(message(PERSON))))
    [gone] = rows(read(interchange(message("NAD+ZZZ'RFF+ABO:R1'", bgm="BGM+266+CLNB'"))))
    assert told.origin.key == gone.origin.key == "MU5101/2026-03-02/SHA/R1"
    plain = only(PERSON.replace("RFF+ABO:R1'", ""))
    assert "X1234567" not in plain.origin.key
    assert "DOE" not in plain.origin.key
    other = only(PERSON.replace("RFF+ABO:R1'", "").replace("X1234567", "X1234568"))
    assert plain.origin.key != other.origin.key
    unnumbered = read(interchange(message("NAD+FL+++DOE:ANN'", "NAD+FL+++DOE:BEN'")))
    assert len({row.origin.key.partition("#")[0] for row in rows(unnumbered)}) == 2


def test_a_closed_flight_blanks_nobody_and_a_cancelled_one_is_cancelled():
    closed = read(interchange(message("NAD+ZZZ'RFF+ABO:R1'", bgm="BGM+266+CLOB'")))
    assert (len(arrivals(closed)), rows(closed), ends(closed)) == (1, [], [])
    [event] = arrivals(read(interchange(message(bgm="BGM+266+XF'"))))
    assert event.status is RunStatus.CANCELLED


@pytest.mark.parametrize("document", ["336+G", "655"])
def test_master_crew_lists_and_gate_passes_put_nobody_on_a_run(document: str):
    assert read(interchange(message(PERSON, bgm=f"BGM+{document}'"))) == []


def test_two_with_one_reference_stay_two():
    found = read(interchange(message(PERSON, PERSON.replace("DOE:ANN", "DOE:BEN"))))
    assert [row.origin.key[-2:] for row in rows(found)] == ["R1", "#2"]
    assert rows(found)[1].origin.quality == ("repeated-person",)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (("CNT+42:1'", "CNT+42:206'"), "count-differs"),
        (("UNT+15", "UNT+099"), "segment-count-differs"),
        (("+M1'UNZ", "+M 9'UNZ"), "reference-differs"),
        (("UNZ+1", "UNZ+3"), "message-count-differs"),
        (("UNZ+1+77'", ""), "no-trailer"),
        (("260302:0500", "270302:0500"), "clock-ahead"),
        (("260302:0500", ""), "no-preparation-time"),
        (("BGM+745", "BGM+10"), "unknown-document"),
    ],
)
def test_counts_and_headers_that_lie_are_noted_and_drop_nobody(
    change: tuple[str, str], word: str
):
    honest = interchange(message(PERSON, "CNT+42:1'"))
    assert change[0] in honest
    found = read(honest.replace(*change))
    assert len(rows(found)) == 1
    assert ends(found)[0].origin.quality == (word,)


def test_numbers_with_noughts_and_broken_references_are_the_same():
    honest = interchange(message(PERSON, "CNT+42:1'"))
    found = read(honest.replace("UNT+15+M1", "UNT+0000015+M 1").replace("CNT+42:1", "CNT+42+1"))
    assert (ends(found)[0].row_count, ends(found)[0].origin.quality) == (1, ())


def test_a_list_in_parts_is_whole_when_all_have_come():
    first = message(PERSON, "CNT+42:1'", unh="+A+01:C")
    middle = message(PERSON.replace("R1", "R2"), "CNT+42:1'", unh="+A+02:C")
    last = message(PERSON.replace("R1", "R3"), "CNT+42:3'", unh="+A+03:F")
    [end] = ends(read(interchange(first, middle, last)))
    assert (end.rows, end.row_count, end.origin.quality) == (3, 3, ())
    assert ends(read(interchange(first))) == []
    assert ends(read(interchange(last))) == []
    assert ends(read(interchange(first, last))) == []
    assert len(rows(read(interchange(first, last)))) == 2


def test_crew_and_passengers_of_a_flight_are_two_lists():
    crew = message(PERSON.replace("NAD+FL", "NAD+FM"), bgm="BGM+250+C'")
    found = read(interchange(message(PERSON), crew))
    assert [row.role for row in rows(found)] == [TravellerRole.PASSENGER, TravellerRole.CREW]
    assert [end.roles for end in ends(found)] == [
        {TravellerRole.PASSENGER, TravellerRole.INFANT},
        {TravellerRole.CREW},
    ]


KE250 = (
    "TDT+20+KE250+++KE'LOC+92+JFK'DTM+189:2603010220:201'LOC+92+ANC'DTM+232:2603010550:201'"
    "{}LOC+125+ANC'DTM+189:2603010650:201'LOC+87+ICN'DTM+232:2603020840:201'"
)


@pytest.mark.parametrize(
    ("way", "stops", "expected"),
    [
        (KE250.format(""), ["ICN"], [("KE250", "JFK", "ICN", "ICN", 1)]),
        (KE250.format("TDT+20+KE250+++KE'"), ["ICN"], [("KE250", "JFK", "ICN", "ICN", 1)]),
        (KE250.format("TDT+20+KE0251+++KE'"), ["ICN"], [("KE251", "ANC", "ICN", "ICN", 1)]),
        (KE250.format("TDT+20+KE251+++KE'"), ["ANC"], [("KE250", "JFK", "ANC", "ANC", 1)]),
        (
            KE250.format(""),
            ["ANC", "ICN"],
            [("KE250", "JFK", "ICN", c, 1) for c in ("ANC", "ICN")],
        ),
        (
            KE250.format("").replace("ICN", "KRICN:50"),
            ["ICN"],
            [("KE250", "JFK", "KRICN", "ICN", 1)],
        ),
        (
            "TDT+20+0989+++UA'LOC+87+SHA'DTM+232:20260302:102'",
            [],
            [("UA989", None, "SHA", "SHA", 2)],
        ),
        (
            "TDT+20+UA 989'LOC+87+SHA'LOC+125+PEK'DTM+189:260301'",
            [],
            [("UA989", "PEK", "SHA", "SHA", 1)],
        ),
        ("TDT+34+XX1'TDT+20+QF1'LOC+92+SYD'LOC+92+SIN'", [], [("QF1", "SYD", "SIN", "SIN", 2)]),
        ("TDT+20+QF1'", ["SIN"], [("QF1", None, None, None, 2)]),
    ],
)
def test_ways(
    way: str,
    stops: list[str],
    expected: list[tuple[str, str | None, str | None, str | None, int]],
):
    found = arrivals(read(interchange(message(PERSON, way=way)), *stops))
    assert [
        (e.run.service_no, e.from_stop, e.to_stop, e.hub_stop, e.run.service_date.day)
        for e in found
    ] == expected


def test_ships_and_dates_without_a_time():
    way = "TDT+20+VOY12+11++:::'LOC+87+SHA'DTM+232:20260302:102'"
    [event] = arrivals(read(interchange(message(PERSON, way=way))))
    assert (event.mode, event.run.service_no) == (Mode.SEA, "VOY12")
    assert (event.scheduled_arrival, event.status) == (None, RunStatus.UNKNOWN)


@pytest.mark.parametrize(
    "digits",
    [
        "202603021015:203",
        "202603021015:201",
        "2603021015",
        "20260302101500",
        "20260302:1015:203",
    ],
)
def test_times_are_read_by_their_digits(digits: str):
    way = WAY.replace("2603021015:201", digits)
    [event] = arrivals(read(interchange(message(PERSON, way=way))))
    assert event.scheduled_arrival == dt.datetime(2026, 3, 2, 10, 15, tzinfo=SHANGHAI)


def test_people_of_a_flight_elsewhere_are_not_taken():
    found = read(interchange(message(PERSON, PERSON)), "HGH")
    assert [(r.reason, r.column) for r in found if isinstance(r, Reject)] == [
        ("not-here", "LOC")
    ]
    assert len(found) == 1


def test_a_flight_named_in_the_header_only_and_one_named_nowhere():
    found = read(interchange(message(PERSON, way="", unh="+MU5101/260301/2300")))
    [row] = rows(found)
    assert (row.run.service_no, row.run.service_date.day) == ("MU5101", 1)
    nowhere = read(interchange(message(PERSON, way="")))
    assert [r.reason for r in nowhere if isinstance(r, Reject)] == ["no-flight"]
    assert ends(nowhere) == []


AMERICAN = (
    "UNA:+.? 'UNB+UNOA:1+AIR:NZ+USCS:US+020131:2359+0201312359++CEDIPAX+A+++0'"
    "UNG+PAXLST+AIR:NZ+TECS:US+020131:2359+0201312359+NZ+001:000'"
    "UNH+0201312359+PAXLST:001:000:NZ+SA812/020131/2300'"
    "CTA+IC+:A? B+1-703:TE'TDT++SA812+40+SA'LOC+005+NZAKL:50'DTM+136+020131+1030+M05'"
    "LOC+008+USLAX:50'DTM+132+020131+2200+M05'UNS+D'"
    "PDT+P/X1:090909:US+DOE:ANN:P:590429:F+PAX+NZAKL:USLAX'"
    "PDT+P/X2:920429:GB+O?'DOE:BEN::331231:U+PAX+NZAKL:USLAX'"
    "PDT+P/X3:990118:NZ+DOE:CYD:M+CRW+NZAKL:USLAX'"
    "UNT+000012+0201312359'UNE+1+0201312359'UNZ+1+0201312359'"
)


def test_the_american_variant():
    found = read(AMERICAN, "LAX", today=dt.date(2002, 1, 31))
    [event] = arrivals(found)
    assert (event.run.service_no, event.from_stop, event.hub_stop) == ("SA812", "NZAKL", "LAX")
    assert event.scheduled_arrival == dt.datetime(2002, 1, 31, 22, tzinfo=SHANGHAI)
    people = [
        (d.number, d.issuer, d.name, d.birth_date and d.birth_date.year, row.role)
        for row in rows(found)
        if (d := row.document)
    ]
    assert people == [
        ("X1", "USA", "DOE ANN P", 1959, TravellerRole.PASSENGER),
        ("X2", "GBR", "O'DOE BEN", 1933, TravellerRole.PASSENGER),
        ("X3", "NZL", "DOE CYD M", None, TravellerRole.CREW),
    ]
    assert ends(found)[0].origin.quality == ()


@pytest.mark.parametrize(
    ("encoded", "name", "guessed"),
    [
        ("NOVÁK".encode(), "NOVÁK ANN", False),
        ("NOVÁK".encode("latin-1"), "NOVÁK ANN", True),
        (b"NOV\x87K", "NOV‡K ANN", True),
        ("诺瓦克".encode(), "诺瓦克 ANN", False),
    ],
)
def test_charsets(encoded: bytes, name: str, guessed: bool):
    found = read(interchange(message(PERSON)).encode().replace(b"DOE", encoded))
    [row] = rows(found)
    assert row.document is not None
    assert row.document.name == name
    assert ("charset-guessed" in ends(found)[0].origin.quality) == guessed
    cyrillic = interchange(message(PERSON)).replace("UNOA", "UNOE").replace("DOE", "НОВАК")
    [row] = rows(read(cyrillic.encode("iso8859-5")))
    assert row.document is not None
    assert row.document.name == "НОВАК ANN"


def test_interchanges_follow_each_other_and_other_messages_are_told():
    other = message(PERSON).replace("PAXLST:D", "CUSRES:D")
    found = read(PLAIN + "\r\nNNNN\r\n" + interchange(other) + interchange(message(PERSON)))
    assert len(rows(found)) == 2
    assert [(r.reason, r.column) for r in found if isinstance(r, Reject)] == [
        ("unknown-value", "UNH")
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not-edifact"),
        (b"\x00\xff" * 900, "not-edifact"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "html"),
        (b"name,number\n1,2\n", "not-edifact"),
        ((PLAIN[:60] + "A" * 70_000 + PLAIN[60:]).encode(), "too-long"),
    ],
)
def test_what_is_no_list_has_a_reason(body: bytes, reason: str):
    with pytest.raises(UnreadableDelivery) as refused:
        read(body)
    assert refused.value.reason == reason


@pytest.mark.parametrize("cut", ["LOC+91", "UNT", "RFF+ABO:R2"])
def test_a_list_that_breaks_off_keeps_whole_people_and_ends_nothing(cut: str):
    text = interchange(message(PERSON, PERSON.replace("R1", "R2")))
    reading = ReaderContext(SHANGHAI, TODAY)
    stream = paxlst.read(Delivery(text[: text.rindex(cut)].encode(), NOW), reading)
    found: list[object] = []
    with pytest.raises(UnreadableDelivery) as broken:
        found.extend(stream)
    assert broken.value.reason == "truncated"
    taken: list[str] = []
    for one in paxlst.read(Delivery(text[: text.rindex(cut)].encode(), NOW), reading):
        taken.append(type(one).__name__)
        if len(taken) == 2:
            break
    assert taken == ["ArrivalEvent", "ManifestRow"]


def large(people: int) -> bytes:
    persons = (
        PERSON.replace("R1", f"R{n}").replace("X1234567", f"X{n:07}")
        + f"NAT+2+UTO'RFF+AVF:P{n // 3}'RFF+SEA:{n // 6}A'LOC+178+PEK'LOC+179+SHA'"
        for n in range(people)
    )
    return interchange(message(*persons, f"CNT+42:{people}'")).encode()


def test_a_thousand_passengers_are_read_quickly():
    body = large(1000)
    started = time.process_time()
    found = read(body)
    assert time.process_time() - started < 0.2
    assert len(rows(found)) == 1000
    assert ends(found)[0].origin.quality == ()


def test_memory_is_that_of_the_text():
    body = large(1500)
    tracemalloc.start()
    try:
        count = sum(1 for _ in paxlst.read(Delivery(body, NOW), ReaderContext(SHANGHAI, TODAY)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 1502
    assert peak < 6 * len(body)


names = (
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ'+:?- ÄÖ李", min_size=1, max_size=20)
    .map(lambda text: " ".join(text.split()) or "A")
    .filter(lambda text: text not in {"FNU", "LNU", "NFN", "NLN"})
)
people = st.lists(
    st.tuples(
        names,
        names,
        st.dates(dt.date(1927, 1, 1), TODAY),
        st.from_regex(r"[A-Z][0-9]{7}", fullmatch=True),
        st.sampled_from(["M", "F"]),
    ),
    max_size=6,
    unique_by=lambda person: person[3],
)
marks = st.permutations(list(":+?'*$(|^~")).map(lambda many: many[:4])


@given(people, marks, st.sampled_from(["", "\n", "\r\n  "]))
def test_what_another_writer_wrote_is_read_back(
    folk: list[tuple[str, str, dt.date, str, str]], delimiters: list[str], between: str
):
    component, element, release, end = delimiters

    def put(tag: str, *elements: Sequence[str] | str) -> str:
        def escape(text: str) -> str:
            return "".join(release + c if c in delimiters else c for c in text)

        parts = [(one,) if isinstance(one, str) else one for one in elements]
        cells = [component.join(escape(c) for c in part) for part in parts]
        return element.join([tag, *cells]) + end + between

    body = [
        f"UNA{component}{element}.{release} {end}{between}",
        put("UNB", ("UNOA", "4"), "A", "B", ("260302", "0500"), "1"),
        put("UNH", "1", ("PAXLST", "D", "15B", "UN", "IATA")),
        put("BGM", "745"),
        put("TDT", "20", "MU5101", "", "", "MU"),
        put("LOC", "125", "PEK"),
        put("DTM", ("189", "2603020800", "201")),
        put("LOC", "87", "SHA"),
    ]
    for surname, given_name, born, number, sex in folk:
        body += [
            put("NAD", "FL", "", "", (surname, given_name)),
            put("ATT", "2", "", sex),
            put("DTM", ("329", f"{born:%y%m%d}")),
            put("DOC", ("P", "110", "111"), number),
            put("LOC", "91", "UTO"),
        ]
    body += [
        put("CNT", ("42", str(len(folk)))),
        put("UNT", str(8 + 5 * len(folk)), "1"),
        put("UNZ", "1", "1"),
    ]
    found = read("".join(body))
    said = [
        (d.name, d.birth_date, d.number, d.sex and d.sex.value[:1])
        for row in rows(found)
        if (d := row.document)
    ]
    assert said == [(f"{s} {g}", born, n, sex) for s, g, born, n, sex in folk]
    assert [(end.row_count, end.origin.quality) for end in ends(found)] == [(len(folk), ())]


BASES = (PLAIN.encode(), AMERICAN.encode(), large(3))


@settings(max_examples=150)
@given(
    st.sampled_from(BASES),
    st.lists(
        st.tuples(st.integers(0, 4000), st.integers(0, 60), st.binary(max_size=12)), max_size=6
    ),
)
@example(b"UNA" * 4000, [])
@example(b"UNB+" * 4000, [])
@example(b"UNH+1+PAXLST:D'TDT+20+A1'" + b"?" * 5000, [])
def test_damaged_lists_give_records_or_a_reason(
    body: bytes, edits: list[tuple[int, int, bytes]]
):
    for at, length, put in edits:
        place = at % (len(body) + 1)
        body = body[:place] + put + body[place + length :]
    started = time.process_time()
    try:
        found = read(body, today=TODAY)
    except UnreadableDelivery as refused:
        assert refused.reason in {"truncated", "not-edifact", "html", "too-long"}  # noqa: PT017
    else:
        assert all(
            isinstance(one, ArrivalEvent | ManifestRow | ManifestEnd | Reject) for one in found
        )
    assert time.process_time() - started < 1


def test_real_lists_damaged_give_records_or_a_reason():
    for name in (CREW_FILE, LEGS_FILE):
        whole = sample(name)
        for cut in range(0, len(whole), 37):
            for damaged in (whole[:cut], whole[:cut] + b"\xff'" + whole[cut + 9 :]):
                try:
                    found = read(damaged)
                except UnreadableDelivery:
                    continue
                assert len(rows(found)) <= 8
