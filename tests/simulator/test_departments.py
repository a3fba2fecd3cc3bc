"""The demo's departments against the transports and readers that real ones meet."""

import datetime as dt
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from twinstile.arrivals.adapters.drop import ReadySign
from twinstile.arrivals.adapters.folder import FolderSettings
from twinstile.arrivals.adapters.http import HttpSettings
from twinstile.arrivals.formats import health as health_format
from twinstile.arrivals.formats import police as police_format
from twinstile.arrivals.formats import rail
from twinstile.arrivals.records import (
    ArrivalEvent,
    Delivery,
    HealthStatus,
    IdentityAlert,
    KeyAreaRecord,
    ManifestEnd,
    ManifestRow,
    Op,
    Reader,
    ReaderContext,
    Record,
    Reject,
    UnknownColumns,
)
from twinstile.arrivals.transport import FeedFault, FeedTransport, FetchedDelivery
from twinstile_simulator import documents, people, timetable
from twinstile_simulator.departments import health, police
from twinstile_simulator.departments.health import HealthDepartment
from twinstile_simulator.departments.http_server import SignatureVerifier
from twinstile_simulator.departments.police import PoliceDepartment
from twinstile_simulator.departments.railway import RailwayOperator, TrainJourney

ZONE = ZoneInfo("Asia/Shanghai")
DAY = dt.date(2026, 3, 2)
COMES = datetime(2026, 3, 2, 2, 30, tzinfo=UTC)
SOMEBODY = documents.resident_id(1, dt.date(1980, 1, 1), 1)
SECRET = b"a secret of two sides, for tests"


async def poll(transport: FeedTransport, cursor: str | None = None) -> list[FetchedDelivery]:
    fetched = [one async for one in transport.fetch(cursor, datetime.now(UTC))]
    for one in fetched:
        await transport.acknowledge(one)
    return fetched


def read(
    reader: Reader, delivery: Delivery, options: Mapping[str, str] | None = None
) -> list[Record | UnknownColumns | Reject]:
    today = datetime.now(ZONE).date() if options is None else DAY
    return list(reader(delivery, ReaderContext(ZONE, today, options=options or {})))


def journeys(count: int) -> list[TrainJourney]:
    trains = timetable.spread(timetable.built_in(DAY).trains, count)
    return [
        TrainJourney(train, people.passengers(train, place, 222, 300)[:20], COMES)
        for place, train in enumerate(trains)
    ]


def folder(path: Path, ready: ReadySign) -> FeedTransport:
    return FolderSettings(kind="folder", path=path, ready=ready).open()


@pytest.fixture
async def officers() -> AsyncGenerator[PoliceDepartment]:
    here = PoliceDepartment(SignatureVerifier(police.KEY_ID, SECRET))
    await here.server.start()
    yield here
    await here.server.stop()


@pytest.fixture
def interface(officers: PoliceDepartment, tmp_path: Path) -> FeedTransport:
    (tmp_path / "key").write_bytes(SECRET)
    return HttpSettings(
        kind="http",
        url=officers.server.url + police.PATH,
        inside=True,
        key_id=police.KEY_ID,
        key_file=tmp_path / "key",
        cursor_parameter=police.CURSOR,
        next_header=police.NEXT,
        expect_pointer="/code",
        expect_value="0",
    ).open()


async def test_the_railway_tells_whom_to_expect(tmp_path: Path):
    here = RailwayOperator.at(tmp_path)
    day = journeys(5)
    here.send(day, "杭州东")
    shelf = folder(tmp_path, ReadySign.OK)
    fetched = await poll(shelf)
    await shelf.close()
    bodies = [one.delivery.body for one in fetched if one.delivery]
    assert (len(set(bodies)), len(bodies)) == (6, 7)
    assert (here.drop.files, here.drop.duplicates) == (6, 1)
    held: dict[str, ManifestRow] = {}
    rejected, told = 0, Counter[str]()
    for one in fetched:
        assert one.delivery is not None
        found = read(rail.read, one.delivery, {"version": "name"})
        assert not [each for each in found if isinstance(each, UnknownColumns)]
        rows = [each for each in found if isinstance(each, ManifestRow)]
        held.update({row.origin.key: row for row in rows})
        rejected += sum(isinstance(each, Reject) for each in found)
        (train,) = [each for each in found if isinstance(each, ArrivalEvent)]
        (end,) = [each for each in found if isinstance(each, ManifestEnd)]
        told[train.run.service_no] += 1
        assert (end.row_count, train.estimated_arrival) == (end.rows, COMES)
        if end.rejected == 0:
            kept = {row.origin.key for row in rows}
            of = f"{train.run.service_no}/"
            held = {k: v for k, v in held.items() if not k.startswith(of) or k in kept}
    assert rejected == here.rejected == 3
    assert sorted(told.values()) == [1, 1, 1, 2, 2]
    numbers = Counter(row.document.number for row in held.values() if row.document)
    assert numbers == Counter(p.document.number for j in day for p in j.people)


async def test_the_police_are_asked_page_by_page_and_signed(
    officers: PoliceDepartment, interface: FeedTransport
):
    asked = police.write_alert("a-1", SOMEBODY, stop=True)
    for page in (
        [asked, *police.write_invalid_alerts(SOMEBODY)],
        [police.write_document_check("c-1", SOMEBODY, "挂失")],
        [police.write_lifting(asked), police.write_document_check("c-1", SOMEBODY, "一致")],
    ):
        officers.publish(page)
    fetched = await poll(interface)
    found = [
        each
        for one in fetched
        if one.delivery
        for each in read(police_format.read, one.delivery)
    ]
    alerts = [each for each in found if isinstance(each, IdentityAlert)]
    assert [(each.op, each.origin.key) for each in alerts] == [
        (Op.UPSERT, "a-1"),
        (Op.UPSERT, "c-1"),
        (Op.DELETE, "a-1"),
        (Op.DELETE, "c-1"),
    ]
    assert [each.reason for each in found if isinstance(each, Reject)] == [
        "no-legal-basis",
        "no-health-reason",
        "no-end",
    ]
    assert await poll(interface, fetched[-1].cursor) == []
    assert officers.gatekeeper.refused == 0
    await interface.close()


async def test_the_police_turn_strangers_away_and_may_be_away_themselves(
    officers: PoliceDepartment, interface: FeedTransport, tmp_path: Path
):
    stranger = HttpSettings(kind="http", url=officers.server.url + police.PATH, inside=True)
    with pytest.raises(FeedFault, match="unauthorised"):
        await poll(stranger.open())
    (tmp_path / "other").write_bytes(SECRET[::-1])
    other = {"key_id": police.KEY_ID, "key_file": tmp_path / "other"}
    with pytest.raises(FeedFault, match="unauthorised"):
        await poll(stranger.model_copy(update=other).open())
    assert officers.gatekeeper.refused == 2
    officers.publish([police.write_alert("a-1", SOMEBODY)])
    async with officers.server.away():
        with pytest.raises(FeedFault, match="connect-failed"):
            await poll(interface)
    assert len(await poll(interface)) == 1
    await interface.close()


async def test_health_leaves_tables_and_one_of_them_is_broken(tmp_path: Path):
    here = HealthDepartment.at(tmp_path)
    here.send(
        "statuses",
        [health.write_status(SOMEBODY, "红码"), health.write_status(SOMEBODY, "紫码")],
    )
    here.send("close contacts", [health.write_contact(SOMEBODY, "次密接")])
    here.send("areas", [health.write_area("610113", "高风险")])
    here.send("lost", [health.write_status(SOMEBODY, "绿码")], complete=False)
    shelf = folder(tmp_path, ReadySign.MD5)
    fetched = await poll(shelf)
    await shelf.close()
    found = [
        each
        for one in fetched
        if one.delivery and not one.refused
        for each in read(health_format.read, one.delivery)
    ]
    assert [one.refused for one in fetched if one.refused] == ["digest-mismatch"]
    assert (here.drop.files, here.drop.broken) == (3, 1)
    areas = [each for each in found if isinstance(each, KeyAreaRecord)]
    statuses = [each for each in found if isinstance(each, HealthStatus)]
    assert [each.code for each in areas] == ["610113"]
    assert sorted((each.colour.value, each.close_contact) for each in statuses) == [
        ("RED", False),
        ("UNKNOWN", False),
        ("UNKNOWN", True),
    ]
    assert len(found) == 4
