"""Lists of travellers as railways really send them."""

# ruff: noqa: RUF001 -- full-width characters are what is tested

import datetime as dt
import json
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from workbooks import DAY, HOURS, TIME, Value, xlsx

from twinstile.arrivals.formats import rail, values
from twinstile.arrivals.formats.reasons import TEXTS, RejectReason
from twinstile.arrivals.records import (
    WHOLE,
    ArrivalEvent,
    Delivery,
    ManifestEnd,
    ManifestRow,
    Op,
    ReaderContext,
    Record,
    Reject,
    RunStatus,
    TravellerRole,
    UnknownColumns,
    UnreadableDelivery,
)
from twinstile.identity.types import ContactKind, ContactOwner, DocumentKind

SHANGHAI = ZoneInfo("Asia/Shanghai")
TODAY = dt.date(2024, 2, 1)
NOW = dt.datetime(2024, 2, 1, 4, tzinfo=dt.UTC)
NUMBER = "770101199002010079"
HEAD = "车次,日期,姓名,证件类型,证件号码,车厢,座位号,票号"
ROW = f"G7301,2024-02-01,张伟,1,{NUMBER},05,12F,E1"


def read(
    body: bytes | str, name: str = "", **options: str
) -> Iterator[Record | UnknownColumns | Reject]:
    sent = body.encode() if isinstance(body, str) else body
    return rail.read(Delivery(sent, NOW, name), ReaderContext(SHANGHAI, TODAY, options=options))


def people(body: bytes | str, name: str = "", **options: str) -> list[ManifestRow]:
    return [one for one in read(body, name, **options) if isinstance(one, ManifestRow)]


def rejects(body: bytes | str, **options: str) -> list[tuple[int, str, str | None]]:
    found = [one for one in read(body, **options) if isinstance(one, Reject)]
    return [(one.row, one.reason, one.column) for one in found]


def ends(body: bytes | str, **options: str) -> list[ManifestEnd]:
    return [one for one in read(body, **options) if isinstance(one, ManifestEnd)]


def one(body: bytes | str, name: str = "", **options: str) -> ManifestRow:
    (found,) = people(body, name, **options)
    return found


def number(row: ManifestRow) -> str | None:
    return row.document and row.document.number


def unreadable(body: bytes | str, **options: str) -> str:
    with pytest.raises(UnreadableDelivery) as refused:
        list(read(body, **options))
    assert refused.value.reason in TEXTS
    return refused.value.reason


def test_every_reason_has_words_in_both_languages() -> None:
    assert set(TEXTS) >= set(RejectReason)
    assert all(set(said) == {"en", "zh-CN"} and all(said.values()) for said in TEXTS.values())


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"]
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_list_is_read_in_any_encoding_with_any_newlines(encoding: str, newline: str) -> None:
    rare = ROW.replace("张伟", "㐀·𠮷")
    found = one(newline.join([HEAD, rare]).encode(encoding))
    assert found.document is not None
    assert (found.document.name, found.document.number) == ("㐀·𠮷", NUMBER)
    assert (found.coach, found.seat) == ("5", "12F")
    assert found.origin.key == "G7301/2024-02-01/E1"


@pytest.mark.parametrize("delimiter", ["\t", ";", "|", ","])
def test_delimiters_are_told_apart(delimiter: str) -> None:
    assert number(one(f"{HEAD}\n{ROW}".replace(",", delimiter))) == NUMBER


def test_one_broken_line_neither_decides_the_encoding_nor_stops_its_neighbours() -> None:
    broken = ROW.replace("E1", "E2").encode().replace("张".encode(), b"\xe5\xbc")
    body = b"\n".join([HEAD.encode(), ROW.encode(), broken, ROW.replace("E1", "E3").encode()])
    assert [row.origin.key[-2:] for row in people(body)] == ["E1", "E3"]
    assert rejects(body) == [(3, RejectReason.CHARSET, "姓名")]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Train No;Travel Date;Name;ID No;Seat", f"G7301;2024/2/1;A;{NUMBER};05车12F号"),
        (
            "station_train_code,train_date,passenger_name,passenger_id_no,coach_no,seat_no",
            f"G7301,20240201,A,{NUMBER},05,12F",
        ),
        (
            "车　次,乘车日期（必填）,旅客姓名*,证件号,席位",
            f"Ｇ７３０１,2024年2月1日,A,{NUMBER},5-12F",
        ),
        ('"车\n次",日期,姓名,身份证号码,席位', f"G7301次,2024.2.1,A,{NUMBER},05车012F"),
    ],
)
def test_columns_have_many_names_and_values_many_spellings(header: str, row: str) -> None:
    found = one(f"{header}\n{row}\n")
    assert (found.run.scheme, found.run.service_no) == ("cn-rail", "G7301")
    assert (found.run.service_date, number(found)) == (TODAY, NUMBER)
    assert (found.coach, found.seat) == ("5", "12F")


@pytest.mark.parametrize(
    "told",
    [
        f"'{NUMBER}",
        f'"=""{NUMBER}"""',
        f" {NUMBER[:6]} {NUMBER[6:14]}\u200b {NUMBER[14:]}\t",
        "７７０１０１１９９００２０１００７９",
        f"\0{NUMBER}\0",
    ],
)
def test_numbers_are_read_through_what_surrounds_them(told: str) -> None:
    assert number(one(f"{HEAD}\n{ROW}".replace(NUMBER, told))) == NUMBER


@pytest.mark.parametrize("told", ["E12345678901234567", "Ā" * 18, "٣" * 15 + "000"])
def test_eighteen_characters_need_not_be_a_resident_number(told: str) -> None:
    body = f"{HEAD}\n{ROW.replace(NUMBER, told)}\n{ROW.replace('E1', 'E2')}"
    assert NUMBER in [number(person) for person in people(body)]


def test_the_last_character_is_an_x_in_any_case_and_width() -> None:
    for x in "xXｘＸ":
        assert number(one(f"{HEAD}\n{ROW}".replace(NUMBER, NUMBER[:17] + x)))[-1] == "X"  # type: ignore[index]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("7.70101E+17", RejectReason.NUMBER_DESTROYED),
        ("7.701011990020101e+17", RejectReason.NUMBER_DESTROYED),
        ("770101199002010000", RejectReason.NUMBER_DESTROYED),
        ("770101********0079", RejectReason.NUMBER_MASKED),
        ("9" * 90, RejectReason.INVALID),
        ("", RejectReason.MISSING),
        ("----", RejectReason.MISSING),
    ],
)
def test_a_number_that_is_lost_is_refused_with_the_column_named(told: str, reason: str) -> None:
    body = f"{HEAD}\n{ROW.replace(NUMBER, told)}\n{ROW.replace('E1', 'E2')}"
    assert rejects(body) == [(2, reason, "证件号码" if told.strip("-") else "number")] or (
        rejects(body)[0][:2] == (2, reason)
    )
    assert len(people(body)) == 1


@pytest.mark.parametrize(
    ("code", "told", "kind"),
    [
        ("1", NUMBER, DocumentKind.RESIDENT_ID),
        ("", NUMBER, DocumentKind.RESIDENT_ID),
        ("B", "E12345678", DocumentKind.PASSPORT),
        ("C", "H12345678", DocumentKind.HK_MACAU_PERMIT),
        ("G", "12345678", DocumentKind.TAIWAN_PERMIT),
        ("H", "DEU770101199001", DocumentKind.FOREIGN_RESIDENT_CARD),
        ("H", "931234199002010075", DocumentKind.RESIDENT_ID),
        ("护照", "E12345678", DocumentKind.PASSPORT),
        ("港澳台居民居住证", NUMBER, DocumentKind.RESIDENT_ID),
        ("01", NUMBER, DocumentKind.RESIDENT_ID),
        ("10", NUMBER, DocumentKind.RESIDENT_ID),
        ("PP", "E12345678", DocumentKind.PASSPORT),
        ("TEMPORARY_ID", NUMBER, DocumentKind.TEMPORARY_ID),
        ("", "H12345678", DocumentKind.HK_MACAU_PERMIT),
    ],
)
def test_kinds_of_documents_by_the_codes_of_many(
    code: str, told: str, kind: DocumentKind
) -> None:
    found = one(f"{HEAD}\nG7301,2024-02-01,A,{code},{told},05,12F,E1")
    assert found.document is not None
    assert (found.document.kind, found.document.number) == (kind, told)


def test_a_code_nobody_agreed_on_is_not_guessed() -> None:
    body = f"{HEAD}\nG7301,2024-02-01,A,Q7,{NUMBER},05,12F,E1"
    assert rejects(body) == [(2, RejectReason.UNKNOWN_VALUE, "证件类型")]


@pytest.mark.parametrize(
    ("coach", "seat", "read"),
    [
        (None, "05车12F号", ("5", "12F")),
        (None, "5-12F", ("5", "12F")),
        (None, "5车厢12F座", ("5", "12F")),
        ("05车", "012F号", ("5", "12F")),
        ("加1", "3排A座", ("加1", "3A")),
        (None, "加1车003号", ("加1", "3")),
        ("5", "003号中铺", ("5", "3中")),
        ("05", "无座", ("5", None)),
        (None, "05车无座", ("5", None)),
    ],
)
def test_seats_have_one_spelling(
    coach: str | None, seat: str, read: tuple[str | None, str | None]
) -> None:
    assert values.read_seat(coach, seat) == (*read, ())


def test_a_seat_that_became_a_day_is_lost_and_its_traveller_is_not() -> None:
    assert values.read_seat(None, "2024-05-12") == (None, None, ("seat-unreadable",))


@pytest.mark.parametrize(
    ("told", "day", "clock"),
    [
        ("8:5", 1, "08:05"),
        ("08:05:00", 1, "08:05"),
        ("24:10", 2, "00:10"),
        ("次日00:10", 2, "00:10"),
        ("00:10(+1)", 2, "00:10"),
        ("8时05分", 1, "08:05"),
        ("0805", 1, "08:05"),
        ("0.336805555", 1, "08:05"),
        ("2024-02-02 00:10", 2, "00:10"),
        ("2024-02-01T16:10:00Z", 2, "00:10"),
        ("45323.336805555", 1, "08:05"),
    ],
)
def test_times_of_the_day_and_beyond_it(told: str, day: int, clock: str) -> None:
    at = values.moment(told, TODAY, SHANGHAI)
    assert at is not None
    assert at.astimezone(SHANGHAI).strftime("%d %H:%M") == f"{day:02} {clock}"


@pytest.mark.parametrize(
    "told", ["", "----", "25", "8:75", "100:00", "soon", "2024-02-30 8:00"]
)
def test_what_is_no_time(told: str) -> None:
    assert values.moment(told, TODAY, SHANGHAI) is None


def test_a_table_of_trains_gives_arrivals() -> None:
    body = (
        "车次,日期,始发站,终到站,到时,开点,站台\n"
        "G7301/4,2024-02-01,上海虹桥,杭州东,24:10,----,3\n"
        "K5 (加开),2024-02-01,北京,杭州站,8:5,8:15,4\n"
        "G9,2024-02-01,北京,杭州,soon,,\n"
    )
    first, second, third = read(body)
    assert isinstance(first, ArrivalEvent)
    assert (first.run.service_no, first.run.aliases) == ("G7301", ("G7304",))
    assert first.scheduled_arrival == dt.datetime(2024, 2, 1, 16, 10, tzinfo=dt.UTC)
    assert (first.from_stop, first.to_stop, first.platform) == ("上海虹桥", "杭州东", "3")
    assert isinstance(second, ArrivalEvent)
    assert (second.status, second.to_stop) == (RunStatus.ADDED, "杭州")
    assert third == Reject(4, RejectReason.INVALID, "到时")


def test_titles_merged_headers_blank_rows_repeated_headers_and_footers() -> None:
    lines: list[list[Value]] = [
        ["杭州东站旅客名单"],
        ["G7301次", "", "2024年2月1日"],
        [],
        ["旅客", "", "席位", "", ""],
        ["姓名", "证件号码", "车厢", "座位号", "票号"],
        ["A", NUMBER, 5, "12F", "E1"],
        ["姓名", "证件号码", "车厢", "座位号", "票号"],
        [],
        ["B", NUMBER, "05车", "12D", "E2"],
        ["合计", 2],
        ["制表人:", "C"],
    ]
    found = list(read(xlsx(lines)))
    assert [type(each) for each in found] == [ManifestRow, ManifestRow, ManifestEnd]
    first, _, end = found
    assert isinstance(first, ManifestRow)
    assert isinstance(end, ManifestEnd)
    assert (first.run.service_no, first.run.service_date) == ("G7301", TODAY)
    assert first.origin.row == 6
    assert (end.rows, end.rejected, end.row_count) == (2, 0, 2)


def test_a_title_among_the_rows_begins_the_list_of_another_run() -> None:
    table = f"姓名,证件号码,席位\nA,{NUMBER},5-12F\n合计,1\n"
    body = f"G7301次 2024-02-01\n{table}G7305次 2024-02-01\n{table}"
    assert [row.run.service_no for row in people(body)] == ["G7301", "G7305"]
    assert [(end.run.service_no, end.rows, end.row_count) for end in ends(body)] == [
        ("G7301", 1, 1),
        ("G7305", 1, 1),
    ]


def test_a_workbook_with_several_sheets_numbers_its_rows_through() -> None:
    head: list[Value] = ["车次", "日期", "姓名", "证件号码", "席位"]
    first: list[list[Value]] = [head, ["G1", (45323, DAY), "A", NUMBER, "5-1A"]]
    second: list[list[Value]] = [head, ["G2", 45323, "B", NUMBER, "5-1A"], ["G2"]]
    body = xlsx(first, [["说明"]], second, first, hidden=[3])
    found = people(body)
    assert [(row.run.service_no, row.origin.row) for row in found] == [("G1", 2), ("G2", 5)]
    assert {row.run.service_date for row in found} == {TODAY}
    assert [row for row, _, _ in rejects(body)] == [6]


def test_days_of_the_1904_system_and_cells_shown_as_times() -> None:
    head: list[Value] = ["车次", "日期", "到时", "证件号码", "席位"]
    row: list[Value] = ["G1", (43861, DAY), (1 + 10 / 1440, HOURS), NUMBER, "5-1A"]
    bare: list[Value] = ["G2", 43861, (0.336805, TIME), NUMBER, "5-1A"]
    found = read(xlsx([head, row, bare], date1904=True))
    arrivals = [each for each in found if isinstance(each, ArrivalEvent)]
    assert [each.run.service_date for each in arrivals] == [TODAY, TODAY]
    assert [each.scheduled_arrival for each in arrivals] == [
        dt.datetime(2024, 2, 1, 16, 10, tzinfo=dt.UTC),
        dt.datetime(2024, 2, 1, 0, 5, tzinfo=dt.UTC),
    ]


def test_a_number_kept_as_a_number_is_refused_and_its_neighbour_is_not() -> None:
    head: list[Value] = ["车次", "日期", "姓名", "证件号码", "席位"]
    lines = [head, ["G1", "20240201", "A", 770101199002010079, "5-1A"]]
    body = xlsx([*lines, ["G1", "20240201", "B", NUMBER, "5-1B"]])
    assert rejects(body) == [(2, RejectReason.NUMBER_DESTROYED, "证件号码")]
    assert len(people(body)) == 1
    assert [(end.rows, end.rejected) for end in ends(body)] == [(2, 1)]


def test_counts_that_lie_are_told_and_make_no_list_whole() -> None:
    (end,) = ends(f"{HEAD}\n{ROW}\n合计,3\n")
    assert (end.rows, end.row_count, end.origin.quality) == (1, 3, ("count-differs",))
    body = f"{HEAD}\n{ROW}\n{ROW.replace('G7301', 'G7305')}\n共 3 人\n"
    assert [(end.rows, end.row_count) for end in ends(body)] == [(1, 3), (1, 3)]


def test_both_numbers_of_a_run_are_one_list() -> None:
    two = ROW.replace("G7301", "G7301/4").replace("E1", "E2")
    body = f"{HEAD}\n{two}\n{ROW.replace('G7301', 'G7304')}"
    assert [(end.run.service_no, end.rows) for end in ends(body)] == [("G7301", 2)]


@pytest.mark.parametrize(
    ("status", "op", "doubts"),
    [
        ("已售", Op.UPSERT, ()),
        ("退票", Op.DELETE, ()),
        ("Refunded", Op.DELETE, ()),
        ("已改签", Op.DELETE, ()),
        ("odd", Op.UPSERT, ("status-unknown",)),
    ],
)
def test_a_ticket_given_back_withdraws(status: str, op: Op, doubts: tuple[str, ...]) -> None:
    found = one(f"{HEAD},车票状态\n{ROW},{status}")
    assert (found.op, found.origin.quality) == (op, doubts)


def test_rows_marked_as_changes_end_no_list() -> None:
    body = f"{HEAD},op_flag\n{ROW},I\n{ROW},D"
    assert [row.op for row in people(body)] == [Op.UPSERT, Op.DELETE]
    assert ends(body) == []
    assert ends(f"{HEAD}\n{ROW}", list="changes") == []


def test_keys_are_tickets_rows_or_seats_and_never_documents() -> None:
    head, row = HEAD.rsplit(",", 1)[0], ROW.rsplit(",", 1)[0]
    legs = (
        f"{head},上车站\n{row},上海站\n{row},嘉兴南\n{row.replace('12F', '无座')},上海站\n" * 1
    )
    keys = [each.origin.key for each in people(legs)]
    assert keys == [
        "G7301/2024-02-01/-5-12F-上海",
        "G7301/2024-02-01/-5-12F-嘉兴南",
        "G7301/2024-02-01/-5--上海-1",
    ]
    as_ticket = one(f"{HEAD}\n{ROW.replace('E1', NUMBER)}")
    assert NUMBER not in as_ticket.origin.key
    unseated = f"{head}\n{row.replace('12F', '无座')}"
    assert rejects(unseated, list="changes") == [(2, RejectReason.NO_KEY, None)]


def test_those_without_a_document_are_expected_when_they_may_be() -> None:
    body = f"{HEAD},旅客类型\n" + "\n".join(
        f"G7301,2024-02-01,A,,,05,{seat},E{seat},{kind}"
        for seat, kind in [("1A", "婴儿"), ("1B", "儿童"), ("1C", "乘务员"), ("1D", "成人")]
    )
    roles = [(row.role, row.document) for row in people(body)]
    assert roles == [
        (TravellerRole.INFANT, None),
        (TravellerRole.PASSENGER, None),
        (TravellerRole.CREW, None),
    ]
    assert rejects(body) == [(5, RejectReason.MISSING, "number")]


def test_contacts_have_owners_and_a_wrong_one_keeps_nobody_out() -> None:
    body = (
        f"{HEAD},手机号,email,contact_owner,language\n"
        f"{ROW},+86 139 0000 0000,,监护人,zh-CN en\n"
        f"{ROW.replace('E1', 'E2')},139****0000,a@example.org,,\n"
    )
    first, second = people(body)
    assert first.contact is not None
    assert (first.contact.kind, first.contact.owner) == (
        ContactKind.PHONE,
        ContactOwner.GUARDIAN,
    )
    assert first.languages == ("zh-CN", "en")
    assert second.contact is not None
    assert (second.contact.kind, second.contact.owner) == (ContactKind.EMAIL, ContactOwner.SELF)
    assert second.origin.quality == ("contact-unreadable",)


def test_versions_come_from_the_list_or_as_the_feed_says() -> None:
    assert one(f"{HEAD},批次\n{ROW},7").origin.version == 7
    assert rejects(f"{HEAD},批次\n{ROW},seven") == [(2, RejectReason.INVALID, "批次")]
    assert one(f"{HEAD}\n{ROW}", "list_20240201_003.csv").origin.version is None
    named = one(f"{HEAD}\n{ROW}", "list_20240201_003.csv", version="name")
    assert named.origin.version == 20240201003
    changed = one(f"{HEAD},update_time\n{ROW},2024-02-01 08:00:00", version="updated")
    assert changed.origin.observed_at == dt.datetime(2024, 2, 1, tzinfo=dt.UTC)
    assert changed.origin.version == 1706745600


def test_run_and_day_may_stand_in_the_name_of_the_file() -> None:
    found = one(f"姓名,证件号码,席位\nA,{NUMBER},5-1A", "G7301_20240201.csv")
    assert (found.run.service_no, found.run.service_date) == ("G7301", TODAY)
    body = f"车次,姓名,证件号码,席位\nG7301,A,{NUMBER},5-1A"
    assert rejects(body) == [(2, RejectReason.MISSING, "travel_date")]
    assert one(body, date="today").run.service_date == TODAY


def test_whoever_leaves_elsewhere_is_passed_over_when_the_feed_says_where_we_are() -> None:
    body = f"{HEAD},到站\n{ROW},杭州东站\n{ROW.replace('E1', 'E2')},宁波"
    assert len(people(body)) == 2
    assert one(body, alight="杭州东,HGH").alight_stop == "杭州东"


@pytest.mark.parametrize("wrong", ["1924-02-01", "2026-02-01"])
def test_a_day_nobody_can_mean_is_refused(wrong: str) -> None:
    body = f"{HEAD}\n{ROW.replace('2024-02-01', wrong)}"
    assert rejects(body) == [(2, RejectReason.IMPLAUSIBLE_DATE, "日期")]


def test_columns_nobody_knows_are_told_once_and_never_values() -> None:
    body = f"{HEAD},备用,{NUMBER}\n{ROW},1,2\n{ROW},1,2"
    assert [each for each in read(body) if isinstance(each, UnknownColumns)] == [
        UnknownColumns(("备用", "?"))
    ]


def test_internal_numbers_are_no_public_ones() -> None:
    head = HEAD.replace("车次", "station_train_code,train_no")
    found = one(f"{head}\n{ROW.replace('G7301', 'D1,24000000D10R')}")
    assert (found.run.service_no, found.run.internal_no) == ("D1", "24000000D10R")
    alone = HEAD.replace("车次", "train_no")
    body = f"{alone}\n{ROW.replace('G7301', '24000000D10R')}"
    assert [reason for _, reason, _ in rejects(body)] == [RejectReason.MISSING]


def test_odd_quotation_marks_swallow_no_neighbours() -> None:
    lines = [HEAD, *(ROW.replace("E1", f"E{n}") for n in range(60))]
    lines[2] = lines[2].replace("张伟", '"张伟')
    found = people("\n".join(lines))
    assert len(found) == 60
    assert one(f"{HEAD}\n{ROW.replace('张伟', '张伟')}").document is not None


def test_lines_and_cells_beyond_measure_are_refused_alone() -> None:
    long_line, long_cell = ROW.replace("张伟", "x" * 200_000), ROW.replace("张伟", "x" * 5000)
    wide = ROW + "," * 600
    body = "\n".join([HEAD, long_line, ROW, long_cell, wide, f"{ROW},more"])
    assert len(people(body)) == 1
    assert [reason for _, reason, _ in rejects(body)] == [
        RejectReason.TOO_LONG,
        RejectReason.TOO_LONG,
        RejectReason.EXTRA_CELLS,
        RejectReason.EXTRA_CELLS,
    ]


def test_a_last_line_that_was_cut_is_refused() -> None:
    cut = ROW[: ROW.index(NUMBER) + 10]
    assert rejects(f"{HEAD}\n{ROW}\n{cut}") == [(3, RejectReason.TRUNCATED, None)]


def bomb() -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as book:
        for part in range(4):
            with book.open(f"xl/{part}.xml", "w") as sheet:
                for _ in range(80):
                    sheet.write(bytes(1024 * 1024))
    return packed.getvalue()


FAR_APART = (
    '<row r="1"><c r="A1"><v>1</v></c></row>'
    '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", RejectReason.EMPTY),
        (b"\xef\xbb\xbf \r\n\0", RejectReason.EMPTY),
        (b"<!DOCTYPE html><title>502</title>", RejectReason.HTML),
        (b"\xef\xbb\xbf\n <html><table><tr><td>G1", RejectReason.HTML),
        (b'<?xml version="1.0"?><Workbook/>', RejectReason.NOT_A_TABLE),
        (b"%PDF-1.7", RejectReason.NOT_A_TABLE),
        (b"\x1f\x8b\x08\0", RejectReason.COMPRESSED),
        (b"PK\x03\x04 and no more", RejectReason.DAMAGED),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and no more", RejectReason.DAMAGED),
        (xlsx(FAR_APART), RejectReason.TOO_LARGE),
        (xlsx([["x"]])[:-60], RejectReason.DAMAGED),
        (b"nothing,of,this\n1,2,3", RejectReason.NO_HEADER),
        (xlsx([["nothing", "of", "this"]]), RejectReason.NO_HEADER),
        (b'{"code":0,"data":null}', RejectReason.NO_DATA),
        (b'{"code":0,"msg":"","data":""}', RejectReason.NO_DATA),
        (b'{"code":500,"msg":"no","data":[]}', RejectReason.ERROR_ANSWER),
        (b'{"success":false}', RejectReason.ERROR_ANSWER),
        (b'{"data":[{"train":"G1"},{"tra', RejectReason.TRUNCATED),
        (b'{"data":[{"train":"G1"} nonsense]}', RejectReason.DAMAGED),
        (b"[" * 100_000, RejectReason.TRUNCATED),
    ],
)
def test_what_is_no_list_says_why(body: bytes, reason: RejectReason) -> None:
    assert unreadable(body) == reason


def test_a_bomb_is_refused_before_it_is_opened() -> None:
    body = bomb()
    assert len(body) < 1024 * 1024
    begun = time.monotonic()
    assert unreadable(body) == RejectReason.TOO_LARGE
    assert time.monotonic() - begun < 5


def test_a_file_with_the_name_of_a_workbook_may_be_separated_text() -> None:
    assert number(one(f"{HEAD}\n{ROW}", "list.xls")) == NUMBER


PERSON = {"passenger_name": "A", "passenger_id_no": NUMBER, "ticket_no": "E1"}
TRAIN = {"station_train_code": "G7301", "train_date": "20240201"}


@pytest.mark.parametrize(
    "sent",
    [
        json.dumps([TRAIN | PERSON]),
        json.dumps({"code": 0, "msg": "ok", "data": [TRAIN | PERSON]}, indent=1),
        json.dumps({"code": "0", "data": {"total": 1, "list": [TRAIN | PERSON]}}),
        json.dumps({"passengers": [PERSON], **TRAIN}),
        json.dumps({"data": [{**TRAIN, "passengers": [PERSON]}]}),
        json.dumps({"code": 200, "data": json.dumps([TRAIN | PERSON])}),
        json.dumps({"code": 200, "data": json.dumps({"rows": [TRAIN | PERSON]})}),
        json.dumps([{"run": TRAIN, "traveller": PERSON}]),
        json.dumps(TRAIN | PERSON),
        json.dumps(TRAIN | PERSON) + "\n\n",
        json.dumps(TRAIN | PERSON | {"passenger_id_no": int(NUMBER)}),
    ],
)
def test_json_however_it_is_wrapped(sent: str) -> None:
    for body in (sent.encode(), b"\xef\xbb\xbf" + sent.encode(), sent.encode("utf-16")):
        found = one(body)
        assert (number(found), found.run.service_no, found.origin.row) == (NUMBER, "G7301", 1)


def test_lines_of_json_are_refused_one_by_one_and_end_no_list() -> None:
    good = json.dumps(TRAIN | PERSON)
    body = f"{good}\n{good[:-9]}\n[1]\n{good.replace('E1', 'E2')}\n"
    assert [row.origin.row for row in people(body)] == [1, 4]
    assert [row for row, _, _ in rejects(body)] == [2, 3]
    assert ends(body) == []
    assert [end.rows for end in ends(f"{good}\n{good}", list="whole")] == [2]


def test_a_transport_may_tell_that_lines_with_operations_are_whole_lists() -> None:
    row = json.dumps(TRAIN | PERSON | {"op_flag": "I"}).encode()
    for media_type, whole in (
        ("application/x-ndjson", 0),
        (f"application/x-ndjson; {WHOLE}", 1),
    ):
        delivery = Delivery(row + b"\n" + row, NOW, media_type=media_type)
        found = list(rail.read(delivery, ReaderContext(SHANGHAI, TODAY)))
        assert sum(isinstance(each, ManifestRow) for each in found) == 2
        assert sum(isinstance(each, ManifestEnd) for each in found) == whole


def test_what_stood_before_a_break_is_read() -> None:
    body = json.dumps([TRAIN | PERSON, TRAIN | PERSON])[:-20]
    found = read(body)
    assert isinstance(next(found), ManifestRow)
    with pytest.raises(UnreadableDelivery):
        list(found)


def test_what_is_no_object_or_too_deep_is_refused_beside_its_neighbours() -> None:
    deep = {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": 1}}}}}}}}
    body = json.dumps([TRAIN | PERSON, 5, [], deep, TRAIN | PERSON])
    assert [row.origin.row for row in people(body)] == [1, 5]
    assert rejects(body) == [(row, RejectReason.MALFORMED, None) for row in (2, 3, 4)]


def test_an_empty_list_is_no_fault() -> None:
    assert list(read(b'{"code":0,"data":[]}')) == []
    assert list(read(b"[]")) == []
    assert list(read(HEAD)) == []


SEEDS = st.sampled_from(
    [
        f"{HEAD}\n{ROW}\n合计,1\n".encode(),
        f"{HEAD}\n{ROW}\n".encode("gb18030"),
        f"{HEAD}\n{ROW}\n".encode("utf-16"),
        json.dumps({"code": 0, "data": [{**TRAIN, "passengers": [PERSON]}]}).encode(),
        (json.dumps(TRAIN | PERSON) + "\n").encode() * 2,
    ]
)


@given(SEEDS, st.integers(0, 400), st.integers(0, 60), st.binary(max_size=40))
def test_garbage_gives_records_rejects_or_a_reason(
    seed: bytes, at: int, cut: int, garbage: bytes
) -> None:
    if seed[:at].startswith((b"PK", b"\xd0\xcf")):
        return
    body = seed[:at] + garbage + seed[at + cut :]
    try:
        for each in read(body):
            assert isinstance(
                each, ArrivalEvent | ManifestRow | ManifestEnd | Reject | UnknownColumns
            )
            assert not isinstance(each, Reject) or each.reason in TEXTS
    except UnreadableDelivery as refused:
        assert refused.reason in TEXTS  # noqa: PT017 -- either may happen


@given(st.text(max_size=40))
def test_no_cell_of_any_kind_breaks_the_reader(cell: str) -> None:
    keys = ["train", "date", "id_no", "id_type", "seat", "coach", "arrival_time", "version"]
    for key in [*keys, "update_time", "birth_date", "phone", "status", "op"]:
        body = json.dumps([TRAIN | PERSON | {"arrival_time": "8:05", key: cell}])
        assert all(
            isinstance(each, ArrivalEvent | ManifestRow | Reject | UnknownColumns)
            for each in read(body)
        )


def big(rows: int) -> bytes:
    return "\n".join([HEAD, *(ROW.replace("E1", f"E{n}") for n in range(rows))]).encode(
        "gb18030"
    )


def test_a_hundred_thousand_rows_in_bounded_time_and_memory() -> None:
    rows = 100_000
    begun = time.process_time()
    assert sum(isinstance(each, ManifestRow) for each in read(big(rows))) == rows
    assert time.process_time() - begun < 25  # 5 where nothing else runs

    peaks: list[int] = []
    for sent in (big(2_000), big(8_000)):
        tracemalloc.start()
        for _ in read(sent):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 500_000, peaks
