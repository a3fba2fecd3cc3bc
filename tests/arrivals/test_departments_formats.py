"""Alerts, identity checks, statuses and key areas as departments really send them."""

# ruff: noqa: RUF001 -- full-width characters are what is tested

import csv
import datetime as dt
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from workbooks import xlsx

from twinstile.arrivals.formats import health, police
from twinstile.arrivals.formats.reasons import TEXTS, RejectReason
from twinstile.arrivals.records import (
    LONGEST_VALID,
    AlertAction,
    Delivery,
    HealthStatus,
    IdentityAlert,
    KeyAreaRecord,
    Op,
    Reader,
    ReaderContext,
    Record,
    Reject,
    StatusColour,
    UnknownColumns,
    UnreadableDelivery,
    WatchReason,
)
from twinstile.identity.types import DocumentKind

SHANGHAI = ZoneInfo("Asia/Shanghai")
TODAY = dt.date(2024, 2, 1)
NOW = dt.datetime(2024, 2, 1, 4, tzinfo=dt.UTC)
NUMBER = "770101199002010079"

ALERT: Mapping[str, object] = {
    "alert_id": "A-1",
    "alert_kind": "CLOSE_CONTACT",
    "id_type": "1",
    "id_no": NUMBER,
    "name": "张伟",
    "authority": "滨海市公安局",
    "legal_basis": "传染病防治法第三十九条",
    "action": "STOP",
    "valid_from": "2024-02-01 00:00:00",
    "valid_to": "2024-02-08",
}
CHECK: Mapping[str, object] = {
    "check_id": "C-1",
    "id_no": NUMBER,
    "check_result": "挂失",
    "check_time": "2024-02-01T11:30:00+08:00",
    "authority": "滨海市公安局",
    "legal_basis": "居民身份证法第十五条",
}
STATUS: Mapping[str, object] = {
    "status_id": "S-1",
    "id_no": NUMBER,
    "health_status": "10",
    "issued_at": "2024-02-01 08:00:00",
    "expires_at": "2024-02-02 08:00:00",
    "issuer": "滨海市卫生健康委",
}
AREA: Mapping[str, object] = {
    "area_code": "610113",
    "risk_level": "高风险",
    "since": "2024-01-20",
    "until": "2024-02-10",
}
NOW_FED = NOW + dt.timedelta(hours=1)


def read(
    reader: Reader, body: bytes | str, name: str = "", **options: str
) -> list[Record | UnknownColumns | Reject]:
    sent = body.encode() if isinstance(body, str) else body
    found = reader(Delivery(sent, NOW, name), ReaderContext(SHANGHAI, TODAY, options=options))
    return list(found)


def alert(row: Mapping[str, object], **options: str) -> IdentityAlert | Reject:
    (found,) = read(police.read, json.dumps([row]), **options)
    assert isinstance(found, IdentityAlert | Reject)
    return found


def said(row: Mapping[str, object], name: str = "", **options: str) -> object:
    (found,) = read(health.read, json.dumps([row]), name, **options)
    return found


def status(row: Mapping[str, object], name: str = "", **options: str) -> HealthStatus:
    found = said(row, name, **options)
    assert isinstance(found, HealthStatus)
    return found


def without(row: Mapping[str, object], *names: str, **more: object) -> dict[str, object]:
    return {name: value for name, value in row.items() if name not in names} | more


def as_csv(rows: Sequence[Mapping[str, object]], encoding: str = "utf-8") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def test_an_alert_tells_whom_why_by_what_right_and_until_when() -> None:
    found = alert(ALERT)
    assert isinstance(found, IdentityAlert)
    assert found.document is not None
    assert (found.document.kind, found.document.number) == (DocumentKind.RESIDENT_ID, NUMBER)
    assert (found.origin.key, found.kind, found.action) == (
        "A-1",
        WatchReason.CLOSE_CONTACT,
        AlertAction.STOP,
    )
    assert (found.authority, found.legal_basis) == ("滨海市公安局", "传染病防治法第三十九条")
    assert found.valid_from == dt.datetime(2024, 1, 31, 16, tzinfo=dt.UTC)
    assert found.valid_to == dt.datetime(2024, 2, 8, 16, tzinfo=dt.UTC)  # the day to its end
    assert NUMBER not in repr(found)


@pytest.mark.parametrize(
    ("row", "reason", "column"),
    [
        (without(ALERT, "legal_basis"), RejectReason.NO_LEGAL_BASIS, "legal_basis"),
        (without(ALERT, legal_basis="无"), RejectReason.NO_LEGAL_BASIS, "legal_basis"),
        (without(ALERT, legal_basis="法" * 201), RejectReason.TOO_LONG, "legal_basis"),
        (without(ALERT, "alert_kind"), RejectReason.NO_HEALTH_REASON, "reason"),
        (without(ALERT, alert_kind="在逃人员"), RejectReason.NO_HEALTH_REASON, "alert_kind"),
        (without(ALERT, "valid_to"), RejectReason.NO_END, "to"),
        (without(ALERT, valid_to="长期"), RejectReason.INVALID, "valid_to"),
        (without(ALERT, valid_to="2024-01-30"), RejectReason.INVALID, "valid_to"),
        (without(ALERT, valid_to="2024-02-15"), RejectReason.VALID_TOO_LONG, "valid_to"),
        (without(ALERT, valid_from="2024-03-01", valid_to="2024-03-02"), "implausible-date", 0),
        (without(ALERT, "authority"), RejectReason.MISSING, "authority"),
        (without(ALERT, "id_no"), RejectReason.MISSING, "number"),
        (without(ALERT, id_no="7701********0079"), RejectReason.NUMBER_MASKED, "id_no"),
        (without(ALERT, id_no="7.70101199002010E+17"), RejectReason.NUMBER_DESTROYED, "id_no"),
        (without(ALERT, id_type="会员卡"), RejectReason.UNKNOWN_VALUE, "id_type"),
        (without(ALERT, version="v2"), RejectReason.INVALID, "version"),
        (without(CHECK, check_result="08"), RejectReason.UNKNOWN_VALUE, "check_result"),
        (without(CHECK, "legal_basis"), RejectReason.NO_LEGAL_BASIS, "legal_basis"),
        (without(ALERT, "alert_id", "id_no", op="D"), RejectReason.MISSING, "key"),
    ],
)
def test_an_alert_is_refused_with_a_reason(
    row: Mapping[str, object], reason: RejectReason, column: str
) -> None:
    assert alert(row) == Reject(1, reason, column or "valid_from")


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ("重点地区人员", WatchReason.KEY_AREA),
        ("key area", WatchReason.KEY_AREA),
        ("次密接（省外）", WatchReason.CLOSE_CONTACT),
        ("应隔离未隔离", WatchReason.ISOLATION_ORDER),
        ("Missed-Follow-Up", WatchReason.MISSED_FOLLOW_UP),
        ("证件挂失", WatchReason.DOCUMENT_INVALID),
    ],
)
def test_health_reasons_are_read_in_words_of_both_languages(told: str, kind: str) -> None:
    found = alert(without(ALERT, alert_kind=told))
    assert isinstance(found, IdentityAlert)
    assert found.kind == kind


def test_what_to_do_is_to_check_unless_a_row_says_stop() -> None:
    for told, action, doubts in (
        (None, AlertAction.CHECK, ()),
        ("拦截", AlertAction.STOP, ()),
        ("核查", AlertAction.CHECK, ()),
        ("特殊处理", AlertAction.CHECK, ("action-unknown",)),
    ):
        found = alert(without(ALERT, action=told or ""))
        assert isinstance(found, IdentityAlert)
        assert (found.action, found.origin.quality) == (action, doubts)


def test_what_was_said_is_taken_back_by_its_key_or_its_person() -> None:
    for row in (
        {"alert_id": "A-1", "op": "D"},
        {"alert_id": "A-1", "status": "已撤销"},
        without(ALERT, "legal_basis", "valid_to", op_flag="delete"),
    ):
        found = alert(row)
        assert isinstance(found, IdentityAlert)
        assert (found.op, found.origin.key) == (Op.DELETE, "A-1")
    nameless = without(ALERT, "alert_id")
    stood, gone = alert(nameless), alert(nameless | {"status": "解除"})
    assert isinstance(stood, IdentityAlert)
    assert isinstance(gone, IdentityAlert)
    assert stood.origin.key == gone.origin.key
    assert NUMBER not in stood.origin.key
    assert alert(nameless | {"alert_kind": "隔离"}) != stood


def test_the_result_of_a_check_speaks_of_the_document_for_a_day() -> None:
    bad = alert(CHECK)
    assert isinstance(bad, IdentityAlert)
    assert (bad.kind, bad.action, bad.op) == (
        WatchReason.DOCUMENT_INVALID,
        AlertAction.CHECK,
        Op.UPSERT,
    )
    assert bad.valid_from == dt.datetime(2024, 2, 1, 3, 30, tzinfo=dt.UTC)
    assert bad.valid_to - bad.valid_from == dt.timedelta(days=1)
    good = alert(without(CHECK, check_result="核验通过"))
    assert isinstance(good, IdentityAlert)
    assert (good.op, good.origin.key) == (Op.DELETE, bad.origin.key)
    assert read(police.read, json.dumps([without(CHECK, check_result="库中无此号")])) == []
    by_feed = alert(without(CHECK, "legal_basis"), legal_basis="协议", hours="4")
    assert isinstance(by_feed, IdentityAlert)
    assert by_feed.legal_basis == "协议"
    assert by_feed.valid_to - by_feed.valid_from == dt.timedelta(hours=4)


@pytest.mark.parametrize(
    "told",
    [
        "2024-02-01 08:00:00",
        "2024/2/1 8:00",
        "2024年2月1日 08时00分",
        "20240201080000",
        1706745600,
        1706745600000,
        "2024-02-01T00:00:00Z",
        "2024-02-01T00:00:00.123456+00:00",
    ],
)
def test_moments_in_any_spelling(told: object) -> None:
    at = status(without(STATUS, issued_at=told)).issued_at.replace(microsecond=0)
    assert at == dt.datetime(2024, 2, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize("told", ["0001-01-01 00:00:00", "9999-12-31", "昨天", "2024-02-30"])
def test_moments_that_are_none(told: str) -> None:
    assert said(without(STATUS, issued_at=told)) == Reject(1, RejectReason.INVALID, "issued_at")


def test_a_status_has_the_moment_it_was_so() -> None:
    found = status(STATUS)
    assert (found.colour, found.close_contact, found.op) == ("RED", False, Op.UPSERT)
    assert found.issued_at == dt.datetime(2024, 2, 1, tzinfo=dt.UTC)
    assert found.expires_at == dt.datetime(2024, 2, 2, tzinfo=dt.UTC)
    assert (found.issuer, found.origin.quality) == ("滨海市卫生健康委", ())


@pytest.mark.parametrize(
    ("told", "colour"),
    [
        *((word, "GREEN") for word in ("00", "green", "绿码", "Ｇreen", "低风险")),
        *((word, "YELLOW") for word in ("01", "YELLOW", "黄", "中风险")),
        *((word, "RED") for word in ("10", 10, "红码", "高风险（红）")),
        *((word, "UNKNOWN") for word in ("init", "灰码", "审核中")),
    ],
)
def test_colours_by_words_and_by_the_codes_of_the_national_platform(
    told: object, colour: str
) -> None:
    found = status(without(STATUS, health_status=told))
    assert (found.colour, found.origin.quality) == (colour, ())


@pytest.mark.parametrize("told", [*map(str, range(10)), 0, 1, "紫码", "000", "greenish", "SOS"])
def test_a_word_nobody_agreed_on_is_unknown_and_doubted(told: object) -> None:
    found = status(without(STATUS, health_status=told))
    assert (found.colour, found.origin.quality) == (StatusColour.UNKNOWN, ("colour-unknown",))


def test_columns_may_be_the_initials_of_chinese_words() -> None:
    row = {"xm": "张伟", "zjlx": "111", "zjhm": NUMBER, "jkmzt": "红码", "csrq": "19900201"}
    found = status(row, authority="卫健委")
    assert found.document is not None
    assert (found.document.number, found.document.name) == (NUMBER, "张伟")
    assert (found.colour, found.issuer) == ("RED", "卫健委")


def test_a_sender_may_have_codes_of_its_own() -> None:
    for told, colour in ((1, "GREEN"), ("3", "RED"), ("4", "UNKNOWN"), ("黄码", "YELLOW")):
        found = status(without(STATUS, health_status=told), colours="1=GREEN,3=RED,4=nonsense")
        assert found.colour == colour


def test_a_clock_ahead_is_no_later_status_and_a_day_ahead_is_none() -> None:
    ahead = status(without(STATUS, issued_at="2024-02-01 12:10:00"))
    assert (ahead.issued_at, ahead.origin.quality) == (NOW, ("clock-ahead",))
    late = without(STATUS, issued_at="2024-02-03", expires_at="2024-02-04")
    assert said(late) == Reject(1, RejectReason.IMPLAUSIBLE_DATE, "issued_at")


def test_a_status_without_times_holds_for_a_day_from_when_it_came() -> None:
    found = status(without(STATUS, "issued_at", "expires_at"))
    assert (found.issued_at, found.expires_at) == (NOW, NOW + dt.timedelta(days=1))
    assert found.origin.quality == ("no-start", "no-end")
    assert status(without(STATUS, "expires_at"), hours="2").expires_at == (
        found.issued_at - dt.timedelta(hours=2)
    )


def test_close_contacts_by_a_column_or_by_what_the_list_is_called() -> None:
    person = without(STATUS, "health_status", "expires_at")
    for row, name, options in (
        (person | {"密接类型": "次密接"}, "", {}),
        (person | {"是否密接": "是"}, "", {}),
        (person, "密切接触者名单20240201.csv", {}),
        (person, "close-contacts.json", {}),
        (person, "", {"contacts": "all"}),
    ):
        found = status(row, name, **options)
        assert found.close_contact
        assert found.colour == StatusColour.UNKNOWN
        assert found.expires_at - found.issued_at == LONGEST_VALID
    both = status(STATUS | {"is_contact": 1})
    assert (both.colour, both.close_contact) == ("RED", True)
    assert not status(STATUS | {"is_contact": "否"}).close_contact
    doubted = status(STATUS | {"is_contact": "不确定"})
    assert (doubted.close_contact, doubted.origin.quality) == (False, ("contact-unknown",))
    assert said(person | {"is_contact": "不确定"}) == Reject(1, "unknown-value", "is_contact")
    assert said(person) == Reject(1, RejectReason.MISSING, "grade")


def test_a_status_is_taken_back() -> None:
    for row in (
        {"status_id": "S-1", "op": "D"},
        without(STATUS, "health_status", status="解除"),
        without(STATUS, contact_type="解除隔离"),
    ):
        found = status(row)
        assert (found.op, found.origin.key) == (Op.DELETE, "S-1")


def test_an_area_has_a_code_a_level_and_days() -> None:
    found = said(AREA)
    assert isinstance(found, KeyAreaRecord)
    assert (found.code, found.level, found.origin.key) == ("610113", "HIGH", "610113")
    assert (found.since, found.until) == (dt.date(2024, 1, 20), dt.date(2024, 2, 10))
    for told, code in (("610113001000", "610113001"), ("fra", "FRA"), (61, "61")):
        area = said(without(AREA, area_code=told))
        assert isinstance(area, KeyAreaRecord)
        assert area.code == code


@pytest.mark.parametrize(
    ("more", "op", "level", "until"),
    [
        ({"risk_level": 2}, Op.UPSERT, "MEDIUM", "2024-02-10"),
        ({"risk_level": ""}, Op.UPSERT, "CASES", "2024-02-10"),
        ({"until": ""}, Op.UPSERT, "HIGH", "2024-02-15"),
        ({"risk_level": "常态化防控"}, Op.DELETE, "LOW", "2024-02-10"),
        ({"status": "已解除"}, Op.DELETE, "LOW", "2024-02-10"),
    ],
)
def test_levels_and_ends_of_areas(
    more: dict[str, object], op: Op, level: str, until: str
) -> None:
    found = said({**AREA, **more})
    assert isinstance(found, KeyAreaRecord)
    assert (found.op, found.level, found.until.isoformat()) == (op, level, until)
    assert found.origin.quality == (() if more.get("until") != "" else ("no-end",))


@pytest.mark.parametrize(
    ("more", "reason", "column"),
    [
        ({"area_code": "西安市"}, RejectReason.INVALID, "area_code"),
        ({"area_code": "610113001002"}, RejectReason.INVALID, "area_code"),
        ({"risk_level": "紫"}, RejectReason.UNKNOWN_VALUE, "risk_level"),
        ({"until": "2024-01-19"}, RejectReason.INVALID, "until"),
        ({"since": "未知日"}, RejectReason.INVALID, "since"),
        ({"area_code": ""}, RejectReason.MISSING, "grade"),
    ],
)
def test_an_area_is_refused_with_a_reason(
    more: dict[str, object], reason: RejectReason, column: str
) -> None:
    found = said({**AREA, **more})
    assert isinstance(found, Reject)
    if more.get("area_code") != "":
        assert (found.reason, found.column) == (reason, column)


KINDS = (
    (police.read, ALERT, IdentityAlert),
    (police.read, CHECK, IdentityAlert),
    (health.read, STATUS, HealthStatus),
    (health.read, AREA, KeyAreaRecord),
)


@pytest.mark.parametrize(("reader", "row", "kind"), KINDS)
def test_in_any_wrapping(reader: Reader, row: Mapping[str, object], kind: type) -> None:
    sheet = [list(row), [str(value) for value in row.values()]]
    for body in (
        json.dumps([row]).encode(),
        json.dumps({"code": 0, "data": {"total": 1, "list": [row]}}).encode("utf-16"),
        f"{json.dumps(row)}\n{json.dumps(row)}\n".encode(),
        as_csv([row], "gb18030"),
        as_csv([row], "utf-8-sig"),
        xlsx(sheet),
    ):
        found = read(reader, body)
        assert {type(each) for each in found} == {kind}, found


@pytest.mark.parametrize(("reader", "row", "kind"), KINDS)
def test_columns_nobody_knows_are_told_and_errors_are_no_data(
    reader: Reader, row: Mapping[str, object], kind: type
) -> None:
    unknown, found = read(reader, json.dumps([row | {"new_column": 1}]))
    assert unknown == UnknownColumns(("new_column",))
    assert isinstance(found, kind)
    for body, reason in (
        (b"<!doctype html><title>Sign in</title>", RejectReason.HTML),
        (json.dumps({"code": 500, "msg": "busy", "data": [row]}).encode(), "error-answer"),
        (json.dumps([row, row]).encode()[:-30], RejectReason.TRUNCATED),
        (b"", RejectReason.EMPTY),
    ):
        with pytest.raises(UnreadableDelivery) as refused:
            read(reader, body)
        assert refused.value.reason == reason


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=30),
    st.lists(st.integers(), max_size=3),
    st.sampled_from(
        ["D", "10", "撤销", "2024-02-01", "45323", "0000-00-00", "24:00", "\ufffd"]
    ),
)
NAMES = st.sampled_from([*{**ALERT, **CHECK, **STATUS, **AREA}, "op", "version", "update_time"])
GARBAGE = st.one_of(
    st.dictionaries(NAMES, CELLS, max_size=8),
    st.text(max_size=20),
    st.integers(),
    st.just({"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {}}}}}}}}}),
)


@given(st.sampled_from(KINDS), st.lists(GARBAGE, min_size=1, max_size=6), st.booleans())
def test_garbage_spoils_no_neighbour(
    kind: tuple[Reader, Mapping[str, object], type], garbage: list[object], as_lines: bool
) -> None:
    reader, row, made = kind
    ids = {"alert_id": "N", "check_id": "N", "status_id": "N", "id": "N"}
    key = next((name for name in ids if name in row), "id")
    good = [json.dumps(row | {key: f"N{n}"}) for n in range(2)]
    several = [good[0], *map(json.dumps, garbage), good[1]]
    body = "\n".join(several) if as_lines else f"[{','.join(several)}]"
    found = read(reader, body)
    keys = [
        each.origin.key
        for each in found
        if isinstance(each, IdentityAlert | HealthStatus | KeyAreaRecord)
        and isinstance(each, made)
    ]
    assert [key for key in keys if key in {"N0", "N1"}] == ["N0", "N1"]
    assert all(each.reason in TEXTS for each in found if isinstance(each, Reject))
    assert all(fits(each) for each in found)


def fits(each: Record | UnknownColumns | Reject) -> bool:
    """Whether the tables take it: those that stand have a period no longer than allowed."""
    if isinstance(each, IdentityAlert) and each.op is Op.UPSERT:
        length = each.valid_to - each.valid_from
        return dt.timedelta() < length <= LONGEST_VALID and bool(each.legal_basis)
    if isinstance(each, HealthStatus) and each.op is Op.UPSERT:
        return each.issued_at < each.expires_at and each.issued_at <= NOW
    return not isinstance(each, KeyAreaRecord) or each.since <= each.until


def parts(body: bytes) -> Iterator[bytes]:
    for cut in range(0, len(body), 7):
        yield body[:cut]


@pytest.mark.parametrize(("reader", "row", "kind"), KINDS)
def test_what_breaks_off_is_a_reason_or_rows(
    reader: Reader, row: Mapping[str, object], kind: type
) -> None:
    for body in (json.dumps([row]).encode(), as_csv([row, row], "gb18030")):
        for part in parts(body):
            try:
                found = read(reader, part)
            except UnreadableDelivery as refused:
                assert refused.reason in TEXTS  # noqa: PT017 -- either may happen
            else:
                assert all(isinstance(each, kind | Reject | UnknownColumns) for each in found)
