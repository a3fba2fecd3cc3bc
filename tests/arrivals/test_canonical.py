"""Records of our own specification, as its document shows them."""

import datetime as dt
import json
import random
import re
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from twinstile.arrivals.formats import canonical
from twinstile.arrivals.formats.reasons import TEXTS
from twinstile.arrivals.records import (
    AlertAction,
    ArrivalEvent,
    Delivery,
    HealthStatus,
    IdentityAlert,
    KeyAreaRecord,
    ManifestEnd,
    ManifestRow,
    Op,
    ReaderContext,
    Record,
    Reject,
    RunRef,
    RunStatus,
    StatusColour,
    TravellerRole,
    UnreadableDelivery,
    WatchReason,
)
from twinstile.identity.types import ContactKind, DocumentKind, Sex

NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
DAY = NOW.date()
READING = ReaderContext(dt.UTC, DAY)
DOCUMENT = Path(__file__).parents[2] / "docs" / "formats.md"
Json = dict[str, object]


def shown() -> list[str]:
    """The examples of the document, in its order: one of each type, and one taken back."""
    [block] = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return block.splitlines()


ARRIVAL, TRAVELLER, LIST, ALERT, STATUS, AREA, TAKEN_BACK = map(json.loads, shown())


def read(body: str | bytes | list[Json]) -> list[Record | Reject]:
    text = "\n".join(map(json.dumps, body)) if isinstance(body, list) else body
    raw = text.encode() if isinstance(text, str) else text
    found = canonical.read(Delivery(raw, NOW), READING)
    return [one for one in found if isinstance(one, Record | Reject)]


def test_the_examples_of_the_document_are_read_as_it_says():
    found = read("\n".join(shown()))
    assert [type(one) for one in found] == [
        *(ArrivalEvent, ManifestRow, ManifestEnd, IdentityAlert, HealthStatus, KeyAreaRecord),
        IdentityAlert,
    ]
    assert [one.origin.row for one in found if not isinstance(one, Reject)] == list(range(1, 8))


def test_an_arrival_tells_its_run_and_times():
    [event] = read([ARRIVAL])
    assert isinstance(event, ArrivalEvent)
    assert event.run == RunRef("cn-rail", "G7301", DAY, ("G7304",), "5e000G730100")
    assert (event.status, event.op, event.origin.version) == (RunStatus.SCHEDULED, Op.UPSERT, 3)
    assert event.scheduled_arrival == dt.datetime(2026, 11, 28, 0, 5, tzinfo=dt.UTC)
    assert event.estimated_arrival == dt.datetime(2026, 11, 28, 0, 9, tzinfo=dt.UTC)
    assert (event.from_stop, event.hub_stop, event.platform) == ("Shanghai", "HGH", "4")


def test_a_traveller_tells_document_place_and_contact():
    [row] = read([TRAVELLER])
    assert isinstance(row, ManifestRow)
    assert row.document is not None
    assert (row.document.kind, row.document.number) == (DocumentKind.PASSPORT, "X1234567")
    assert (row.document.birth_date, row.document.sex) == (dt.date(1990, 1, 2), Sex.FEMALE)
    assert (row.role, row.coach, row.seat) == (TravellerRole.PASSENGER, "5", "12F")
    assert row.contact is not None
    assert (row.contact.kind, row.contact.value) == (ContactKind.PHONE, "+8613800000000")
    assert row.languages == ("en",)


def test_what_is_said_of_people_and_areas_is_read():
    alert, status, area = read([ALERT, STATUS, AREA])
    assert isinstance(alert, IdentityAlert)
    assert (alert.kind, alert.action) == (WatchReason.CLOSE_CONTACT, AlertAction.CHECK)
    assert alert.valid_to - alert.valid_from == dt.timedelta(days=7)
    assert isinstance(status, HealthStatus)
    assert (status.colour, status.close_contact) == (StatusColour.YELLOW, False)
    assert isinstance(area, KeyAreaRecord)
    assert (area.code, area.level) == ("330102", "MEDIUM")


def test_a_status_without_a_colour_is_not_green():
    [status] = read([{name: of for name, of in STATUS.items() if name != "colour"}])
    assert isinstance(status, HealthStatus)
    assert status.colour is StatusColour.UNKNOWN


@pytest.mark.parametrize("kind", ["alert", "status"])
def test_what_is_taken_back_needs_only_its_key(kind: str):
    [taken] = read([{**TAKEN_BACK, "type": kind}])
    assert isinstance(taken, IdentityAlert | HealthStatus)
    assert (taken.op, taken.document, taken.origin.key) == (Op.DELETE, None, "A-17")


def test_a_list_counts_the_travellers_of_its_run_before_it():
    other = {**TRAVELLER, "run": {**TRAVELLER["run"], "service_no": "G1"}}
    end = read([TRAVELLER, other, {**TRAVELLER, "key": "E2"}, {**LIST, "rows": 2}])[-1]
    assert isinstance(end, ManifestEnd)
    assert (end.rows, end.rejected, end.row_count) == (2, 0, 2)
    assert end.roles == {TravellerRole.PASSENGER, TravellerRole.INFANT}
    end = read([TRAVELLER, {"v": 1}, LIST])[-1]
    assert isinstance(end, ManifestEnd)
    assert (end.rows, end.rejected, end.row_count) == (2, 1, 1)


def test_a_list_of_records_is_read_like_lines():
    lines = shown()
    many = read("\ufeff [" + ",\n ".join(lines) + " ]\n")
    assert many == read("\n".join(lines))
    assert many == read("\r\n\r\n".join(lines).replace("\r\n\r\n", "\r\n"))
    assert read("[]") == []


def without(of: Json, name: str) -> Json:
    return {key: value for key, value in of.items() if key != name}


@pytest.mark.parametrize(
    ("told", "reason", "column"),
    [
        (without(ARRIVAL, "v"), "missing-value", "v"),
        ({**ARRIVAL, "v": 2}, "unknown-value", "v"),
        (without(ARRIVAL, "type"), "missing-value", None),
        ({**ARRIVAL, "type": "train"}, "unknown-value", None),
        (without(ARRIVAL, "key"), "missing-value", "key"),
        ({**ARRIVAL, "key": ""}, "invalid-value", "key"),
        ({**ARRIVAL, "key": "k" * 201}, "too-long", "key"),
        ({**ARRIVAL, "key": "a\0b"}, "invalid-value", "key"),
        ({**ARRIVAL, "version": "3"}, "invalid-value", "version"),
        ({**ARRIVAL, "version": 10**18}, "invalid-value", "version"),
        ({**ARRIVAL, "gate": "4"}, "not-specified", "gate"),
        ({**ARRIVAL, "X1234567 DOE": "4"}, "not-specified", "?"),
        (
            {**ARRIVAL, "scheduled_arrival": "2026-11-28T08:05"},
            "invalid-value",
            "scheduled_arrival",
        ),
        ({**ARRIVAL, "scheduled_arrival": 1764288300}, "invalid-value", "scheduled_arrival"),
        ({**ARRIVAL, "mode": "rail"}, "unknown-value", "mode"),
        (
            {**ARRIVAL, "run": {**ARRIVAL["run"], "service_date": "28/11/2026"}},
            "invalid-value",
            "run.service_date",
        ),
        (without(TRAVELLER, "document"), "missing-value", "document"),
        (
            {**TRAVELLER, "contact": {"kind": "PHONE", "value": "no"}},
            "invalid-value",
            "contact",
        ),
        ({**LIST, "rows": -1}, "invalid-value", "rows"),
        (without(ALERT, "kind"), "no-health-reason", "kind"),
        (without(ALERT, "legal_basis"), "no-legal-basis", "legal_basis"),
        (without(ALERT, "valid_to"), "no-end", "valid_to"),
        ({**ALERT, "valid_to": "2027-11-28T00:00:00Z"}, "valid-too-long", "valid_to"),
        ({**ALERT, "valid_to": ALERT["valid_from"]}, "invalid-value", "valid_to"),
        (without(STATUS, "document"), "missing-value", "document"),
        ({**STATUS, "expires_at": STATUS["issued_at"]}, "invalid-value", "expires_at"),
        ({**AREA, "code": "x"}, "invalid-value", "code"),
        ({**AREA, "level": "NONE"}, "unknown-value", "level"),
        ({**AREA, "until": "2026-11-01"}, "invalid-value", "until"),
    ],
)
def test_a_record_that_is_not_in_its_form_is_rejected(
    told: Json, reason: str, column: str | None
):
    [found] = read([told])
    assert isinstance(found, Reject)
    assert (found.reason, found.column) == (reason, column)
    assert reason in TEXTS
    assert "X1234567" not in repr(found)


def test_a_damaged_line_keeps_out_itself():
    lines = shown()
    body = "\n".join([lines[0], lines[1][:40], "[1]", "nonsense", "\\ud800", lines[5]])
    found = read(body)
    assert [type(one) for one in found] == [ArrivalEvent, *4 * [Reject], KeyAreaRecord]
    long = read("\n".join([lines[0], '{"a":"' + "x" * 100_000 + '"}', lines[5]]))
    assert long[1] == Reject(2, "too-long")
    assert isinstance(long[2], KeyAreaRecord)


def test_an_element_that_is_no_record_keeps_out_itself():
    found = read(f"[1, {shown()[0]}, null, [], {{}}, {shown()[5]}]")
    assert [type(one) for one in found] == [
        *(Reject, ArrivalEvent, Reject, Reject, Reject, KeyAreaRecord)
    ]


def test_text_in_another_encoding_is_rejected_by_the_record():
    body = json.dumps({**ARRIVAL, "from_stop": "上海"}, ensure_ascii=False).encode("gb18030")
    assert read(body) == [Reject(1, "charset")]


def test_half_a_character_is_no_text():
    told = json.dumps(ARRIVAL).replace("Shanghai", "\\ud800")
    [found] = read(told)
    assert isinstance(found, Reject)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "empty"),
        ("<html>sign in</html>", "html"),
        ("a,b,c\n1,2,3\n", "not-a-table"),
        ("[", "truncated"),
        ("[" * 100_000, "truncated"),
        ("[" + "[" * 100_000 + "]" * 100_000 + "]", "damaged"),
        ("[{} {}]", "damaged"),
        (b"\x1f\x8b\x08", "compressed"),
    ],
)
def test_what_is_no_json_is_refused_with_a_word(body: str | bytes, reason: str):
    with pytest.raises(UnreadableDelivery) as refused:
        read(body)
    assert refused.value.reason == reason
    assert reason in TEXTS


def test_what_came_before_a_list_broke_off_stands():
    body = ("[" + ",".join(shown()))[:-20]
    found = canonical.read(Delivery(body.encode(), NOW), READING)
    assert len([next(found) for _ in range(6)]) == 6
    with pytest.raises(UnreadableDelivery):
        next(found)


@pytest.mark.parametrize("joined", ["\n".join, lambda lines: "[" + ",".join(lines) + "]"])
def test_memory_does_not_grow_with_the_records(joined: Callable[[list[str]], str]):
    few, many = (joined([shown()[1]] * count).encode() for count in (200, 2000))

    def peak(body: bytes) -> int:
        tracemalloc.start()
        for _ in canonical.read(Delivery(body, NOW), READING):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(few)
    assert peak(many) - peak(few) < 3 * len(many)  # the text of a list, once decoded


def test_damaged_records_are_rejected_or_refused_with_a_word():
    dice = random.Random(6)
    for whole in ("\n".join(shown()), "[" + ",".join(shown()) + "]"):
        for _ in range(150):
            body = bytearray(whole.encode())
            for _ in range(dice.randrange(1, 6)):
                at = dice.randrange(len(body))
                if dice.random() < 0.3:
                    del body[at : at + dice.randrange(300)]
                else:
                    body[at] = dice.randrange(256)
            started = time.process_time()
            try:
                found = read(bytes(body))
            except UnreadableDelivery as refused:
                assert refused.reason in TEXTS  # noqa: PT017 -- either may happen
            else:
                assert all(one.reason in TEXTS for one in found if isinstance(one, Reject))
            assert time.process_time() - started < 1
