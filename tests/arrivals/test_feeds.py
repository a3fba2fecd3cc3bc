"""From what landed to who is expected: each row is used, or told why not."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import feed_deliveries
import people
import published_vectors
import pytest
from feed_deliveries import ARRIVAL, end, event, expected, feed_of, figures, traveller
from hubs import LANES, Hub

from twinstile.arrivals import manifests
from twinstile.arrivals.feeds import applier, deliveries, inbox
from twinstile.identity import contacts
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role

CSV = """车次,乘车日期,姓名,证件类型,证件号码,车厢,座位,到达时间,手机号,票号
G7349,2026-11-28,张伟,身份证,{0},05,12F,16:05,13900000000,E1
G7349,2026-11-28,李娜,身份证,{1},05,12E,16:05,,E2
G7349,2026-11-28,王芳,身份证,770101****0079,05,12D,16:05,,E3
"""


@pytest.fixture(autouse=True)
def _format() -> None:
    feed_deliveries.use()


async def test_a_rail_list_is_landed_read_applied_and_told_of(hub: Hub) -> None:
    numbers = [people.resident_number() for _ in range(2)]
    feed = feed_of(hub, format="rail")
    delivery_id = await feed_deliveries.land(hub, feed, CSV.format(*numbers).encode())
    assert await applier.apply_due(feed_deliveries.desk_of(hub), feed) == 1
    told = await figures(hub, delivery_id)
    assert (told["state"], told["rows"], told["applied"]) == ("APPLIED", 4, 3)  # and the run
    assert await expected(hub, "G7349") == {("12F", "in"), ("12E", "in")}
    assert await feed_deliveries.rows(
        hub, 'SELECT row, reason, "column" FROM feed_reject WHERE hub_id = $1'
    ) == [(4, "number-masked", "证件号码")]
    (run,) = await feed_deliveries.rows(
        hub, "SELECT run_id, scheduled_arrival, status FROM run WHERE hub_id = $1"
    )
    run_id, arrival, status = run
    assert (arrival, status) == (datetime(2026, 11, 28, 8, 5, tzinfo=UTC), "SCHEDULED")
    async with hub.runtime.database.reading() as tx:
        assert len(await contacts.reachable(tx, hub.hub_id, run_id)) == 1
    kinds = await feed_deliveries.rows(
        hub, "SELECT kind FROM event WHERE hub_id = $1 ORDER BY event_id"
    )
    assert [kind for (kind,) in kinds][-2:] == ["run.announced", "manifest.landed"]


async def test_rows_of_a_run_nobody_announced_wait_for_it(hub: Hub) -> None:
    feed, number = feed_of(hub), people.resident_number()
    waits = await feed_deliveries.tell(hub, feed, traveller("G1", "a", number, seat="1A"))
    assert (await figures(hub, waits))["unmatched"] == 1
    await feed_deliveries.tell(hub, feed_of(hub, "times"), event("G2", aliases=["G1"]))
    await applier.apply_due(feed_deliveries.desk_of(hub), feed)
    assert await expected(hub, "G1") == {("1A", "in")}
    told = await figures(hub, waits)
    assert (told["rows"], told["applied"], told["unmatched"]) == (1, 1, 0)
    (counted,) = await feed_deliveries.rows(
        hub, "SELECT rows, unmatched FROM feed_state WHERE hub_id = $1 AND feed = 'rail'"
    )
    assert counted == (1, 0)
    assert await feed_deliveries.rows(hub, "SELECT 1 FROM feed_waiting WHERE hub_id = $1") == []


async def test_what_could_be_read_of_a_broken_delivery_waits_for_its_run_too(hub: Hub) -> None:
    feed, number = feed_of(hub), people.resident_number()
    broken = {"cut": "truncated"}
    waits = await feed_deliveries.tell(
        hub, feed, traveller("G1", "a", number, seat="1A"), broken
    )
    await feed_deliveries.tell(hub, feed_of(hub, "times"), event("G1"))
    assert await applier.apply_due(feed_deliveries.desk_of(hub), feed) == 1
    assert await expected(hub, "G1") == {("1A", "in")}
    told = await figures(hub, waits)
    assert (told["state"], told["applied"], told["unmatched"]) == ("DEAD", 1, 0)
    assert await applier.apply_due(feed_deliveries.desk_of(hub), feed) == 0


async def test_a_run_entered_by_hand_is_the_one_feeds_speak_of(hub: Hub) -> None:
    run_id = people.new_id()
    announced = await hub.client(Role.SUPERVISOR).put(
        f"/v1/runs/{run_id}",
        json={
            "mode": "RAIL",
            "service_no": "G1",
            "service_date": str(feed_deliveries.DAY),
            "origin": "上海虹桥",
            "terminus": "杭州东",
            "scheduled_arrival": ARRIVAL.isoformat(),
        },
    )
    assert announced.status_code == 200, announced.text
    late = event("G1", delay_s=600)
    await feed_deliveries.tell(hub, feed_of(hub), late)
    found = await feed_deliveries.rows(
        hub, "SELECT run_id, origin, estimated_arrival FROM run WHERE hub_id = $1"
    )
    assert found == [(run_id, "上海虹桥", ARRIVAL + timedelta(minutes=10))]


async def test_a_run_of_a_feed_is_entered_by_hand_under_its_own_id_only(hub: Hub) -> None:
    await feed_deliveries.tell(hub, feed_of(hub), event("G1", aliases=["G4"]))
    ((run_id,),) = await feed_deliveries.rows(hub, "SELECT run_id FROM run WHERE hub_id = $1")
    supervisor = hub.client(Role.SUPERVISOR)
    told = {
        "mode": "RAIL",
        "service_no": "G4",
        "service_date": str(feed_deliveries.DAY),
        "origin": "上海虹桥",
        "terminus": "杭州东",
        "scheduled_arrival": ARRIVAL.isoformat(),
    }
    other = await supervisor.put(f"/v1/runs/{people.new_id()}", json=told)
    assert (other.status_code, other.json()["type"]) == (409, "/problems/already-exists")
    assert str(run_id) in other.json()["detail"]
    assert (await supervisor.put(f"/v1/runs/{run_id}", json=told)).status_code == 200
    (listed,) = (
        await supervisor.get(
            "/v1/runs",
            params={
                "from": (ARRIVAL - timedelta(hours=1)).isoformat(),
                "to": (ARRIVAL + timedelta(hours=1)).isoformat(),
            },
        )
    ).json()["runs"]
    assert (listed["service_no"], listed["numbers"]) == ("G4", ["G1"])


async def test_a_number_entered_in_error_is_free_again(hub: Hub) -> None:
    supervisor, wrong = hub.client(Role.SUPERVISOR), people.new_id()
    told = {
        "mode": "RAIL",
        "service_date": str(feed_deliveries.DAY),
        "origin": "上海虹桥",
        "terminus": "杭州东",
        "scheduled_arrival": ARRIVAL.isoformat(),
    }
    for run_id, number in ((wrong, "G1"), (wrong, "G3"), (people.new_id(), "G1")):
        answer = await supervisor.put(f"/v1/runs/{run_id}", json={**told, "service_no": number})
        assert answer.status_code == 200, answer.text


async def test_times_move_and_what_is_not_told_stays(hub: Hub) -> None:
    feed = feed_of(hub)
    await feed_deliveries.tell(hub, feed, event("G1", **{"from": "上海虹桥"}))
    await feed_deliveries.tell(
        hub, feed_of(hub, "rt"), {"key": "x", "run": "G1", "delay_s": 300}
    )
    await feed_deliveries.tell(hub, feed, {"key": "G1/run", "run": "G1", "status": "CANCELLED"})
    told = await feed_deliveries.rows(
        hub,
        "SELECT origin, scheduled_arrival, estimated_arrival, status FROM run"
        " WHERE hub_id = $1",
    )
    assert told == [("上海虹桥", ARRIVAL, ARRIVAL + timedelta(minutes=5), "CANCELLED")]
    unknown = await feed_deliveries.tell(hub, feed, {"key": "y", "run": "G9", "delay_s": 300})
    assert (await figures(hub, unknown))["unmatched"] == 1


async def test_a_whole_list_withdraws_whoever_is_not_on_it(hub: Hub) -> None:
    feed, numbers = feed_of(hub), [people.resident_number() for _ in range(3)]
    a, b, c = (traveller("G1", k, n, seat=k) for k, n in zip("abc", numbers, strict=True))
    await feed_deliveries.tell(hub, feed, event("G1"), a, b, end("G1", 2))
    await feed_deliveries.tell(hub, feed, b, c, end("G1", 2))
    assert await expected(hub, "G1") == {("a", "out"), ("b", "in"), ("c", "in")}
    await feed_deliveries.tell(hub, feed, c, end("G1", 1, told=2))  # short: a row did not come
    await feed_deliveries.tell(hub, feed, a, c, end("G1", 3, rejected=1))
    assert await expected(hub, "G1") == {("a", "in"), ("b", "in"), ("c", "in")}
    await feed_deliveries.tell(hub, feed, {**a, "op": "DELETE"})
    assert await expected(hub, "G1") == {("a", "out"), ("b", "in"), ("c", "in")}


async def test_lists_of_passengers_and_crew_of_a_run_may_come_at_once(hub: Hub) -> None:
    feed, numbers = feed_of(hub), [people.resident_number() for _ in range(2)]
    a = traveller("G1", "a", numbers[0], seat="a")
    b = traveller("G1", "b", numbers[1], seat="b", role="CREW")
    ends = [end("G1", 1, roles=[role]) for role in ("PASSENGER", "CREW")]
    await feed_deliveries.tell(hub, feed, event("G1"), a, ends[0], b, ends[1])
    assert await expected(hub, "G1") == {("a", "in"), ("b", "in")}
    await feed_deliveries.tell(hub, feed, {**ends[0], "rows": 0}, b, ends[1])
    assert await expected(hub, "G1") == {("a", "out"), ("b", "in")}


async def test_a_lower_version_never_overwrites_and_a_deletion_stays(hub: Hub) -> None:
    feed, number = feed_of(hub), people.resident_number()
    said = [
        traveller("G1", "a", number, seat=f"{version}", version=version, **more)
        for version, more in ((3, {}), (2, {}), (3, {"x": 1}), (5, {"op": "DELETE"}), (4, {}))
    ]
    await feed_deliveries.tell(hub, feed, event("G1"))
    ids = [await feed_deliveries.tell(hub, feed, one) for one in said]
    counted = [await figures(hub, one) for one in ids]
    assert [
        next(k for k in ("applied", "superseded", "repeated") if c[k]) for c in counted
    ] == [
        "applied",
        "superseded",
        "repeated",
        "applied",
        "superseded",
    ]
    assert await expected(hub, "G1") == {("3", "out")}


async def test_a_poison_row_is_set_aside_and_its_neighbours_are_stored(hub: Hub) -> None:
    feed = feed_of(hub)
    said = [traveller("G1", f"{n}", people.resident_number(), seat=f"{n}") for n in range(40)]
    said[7]["seat"] = "7\x00"
    said[31]["version"] = 2**70
    said[20]["run"] = "G\x00"
    said[21]["run"] = "".join(map(chr, range(300, 9000)))  # no index has room for it
    said[22] = {"columns": ["\x00", "\ud800", "x" * 5000]}
    delivery_id = await feed_deliveries.tell(hub, feed, event("G1"), *said)
    told = await figures(hub, delivery_id)
    assert (told["state"], told["applied"], told["rejected"]) == ("APPLIED", 36, 4), told
    rejects = await feed_deliveries.rows(
        hub, "SELECT row, reason FROM feed_reject WHERE hub_id = $1 ORDER BY ordinal"
    )
    assert rejects == [(row, "not-storable") for row in (9, 22, 23, 33)]


async def test_what_stands_before_a_fault_stands_and_others_go_on(hub: Hub) -> None:
    feed = feed_of(hub)
    cut = await feed_deliveries.land(hub, feed, [event("G1"), {"cut": "truncated"}])
    failing = await feed_deliveries.land(hub, feed, [event("G2"), {"fail": 1}])
    good = await feed_deliveries.land(hub, feed, [event("G3")])
    now = clock.now()
    assert await applier.apply_due(feed_deliveries.desk_of(hub, now), feed) == 3
    states = [(await figures(hub, one)) for one in (cut, failing, good)]
    assert [(one["state"], one["fault"]) for one in states] == [
        ("DEAD", "truncated"),
        ("LANDED", "failed"),
        ("APPLIED", None),
    ]
    for wait in (0, *deliveries.RETRIES):
        now += timedelta(seconds=1) + (wait or timedelta(0))
        await applier.apply_due(feed_deliveries.desk_of(hub, now), feed)
    assert (await figures(hub, failing))["state"] == "DEAD"
    runs = await feed_deliveries.rows(hub, "SELECT service_no FROM run WHERE hub_id = $1")
    assert {no for (no,) in runs} >= {"G1", "G3"}


async def test_a_replay_changes_nothing_and_counts_anew(hub: Hub) -> None:
    feed, number = feed_of(hub), people.resident_number()
    one = await feed_deliveries.tell(hub, feed, event("G1"), traveller("G1", "a", number), "{")
    before = await feed_deliveries.rows(hub, "SELECT * FROM manifest_entry WHERE hub_id = $1")
    assert await feed_deliveries.replay(hub, feed, one) == 1
    assert await feed_deliveries.replay(hub, feed, one) == 0  # it is being applied
    await applier.apply_due(feed_deliveries.desk_of(hub), feed)
    told = await figures(hub, one)
    assert (told["rows"], told["repeated"], told["rejected"]) == (3, 2, 1)
    assert (
        await feed_deliveries.rows(hub, "SELECT * FROM manifest_entry WHERE hub_id = $1")
        == before
    )
    counted = "SELECT rows, applied, repeated, rejected FROM feed_state WHERE hub_id = $1"
    assert await feed_deliveries.rows(hub, counted) == [(3, 0, 2, 1)]


async def test_unknown_columns_are_noted_once(hub: Hub) -> None:
    feed = feed_of(hub)
    for n in range(2):
        await feed_deliveries.tell(hub, feed, {"columns": ["餐食", f"x{n}"]})
    noted = await feed_deliveries.rows(hub, "SELECT name FROM feed_column WHERE hub_id = $1")
    assert {name for (name,) in noted} == {"餐食", "x0", "x1"}


async def test_two_workers_apply_a_delivery_once(hub: Hub) -> None:
    feed = feed_of(hub)
    said = [traveller("G1", f"{n}", people.resident_number(), seat=f"{n}") for n in range(600)]
    delivery_id = await feed_deliveries.land(hub, feed, [event("G1"), *said])
    desk = feed_deliveries.desk_of(hub)
    await asyncio.gather(*(applier.apply_delivery(desk, feed, delivery_id) for _ in range(3)))
    told = await figures(hub, delivery_id)
    assert (told["state"], told["rows"], told["applied"]) == ("APPLIED", 601, 601)


async def test_thirty_in_a_hundred_rows_of_garbage(hub: Hub) -> None:
    feed = feed_of(hub)
    good = [traveller("G1", f"{n}", people.resident_number(), seat=f"{n}") for n in range(70)]
    bad = [f"garbage {n}" for n in range(30)]
    mixed = [event("G1"), *(one for n in range(100) for one in [*bad, *good][n::100])]
    told = await figures(hub, await feed_deliveries.tell(hub, feed, *mixed))
    assert (told["applied"], told["rejected"]) == (71, 30)
    assert len(await expected(hub, "G1")) == 70
    why = await feed_deliveries.rows(hub, "SELECT reason FROM feed_reject WHERE hub_id = $1")
    assert len(why) == 30


async def test_what_is_kept_of_deliveries_ends_with_the_identities(hub: Hub) -> None:
    feed = feed_of(hub)
    await feed_deliveries.tell(
        hub, feed, event("G1"), traveller("G1", "a", people.resident_number()), "{"
    )
    tables = ("feed_delivery", "feed_key", "feed_reject")
    counts = " UNION ALL ".join(f"SELECT count(*) FROM {t} WHERE hub_id = $1" for t in tables)
    today = feed.today(clock.now())
    for oldest_kept, left in (
        (today, [(1,), (2,), (1,)]),
        (today + timedelta(days=1), [(0,)] * 3),
    ):
        async with hub.runtime.database.transaction() as tx:
            await inbox.delete_expired(tx, hub.hub_id, oldest_kept)
        assert await feed_deliveries.rows(hub, counts) == left


async def test_alerts_statuses_and_areas_take_effect_and_are_taken_back(hub: Hub) -> None:
    number, now = people.resident_number(), clock.now()
    police = feed_of(hub, "police", format="police")
    alert = {
        "alert_id": "A1",
        "id_no": number,
        "kind": "ISOLATION_ORDER",
        "authority": "Binjiang district police",
        "legal_basis": "Infectious Disease Law art. 39",
        "action": "STOP",
        "valid_from": now.isoformat(),
        "valid_to": (now + timedelta(days=2)).isoformat(),
    }
    told = await figures(hub, await feed_deliveries.tell(hub, police, json.dumps([alert])))
    assert (told["state"], told["applied"], told["rejected"]) == ("APPLIED", 1, 0)
    kept = await feed_deliveries.rows(
        hub, "SELECT kind, action FROM identity_alert WHERE hub_id = $1"
    )
    assert kept == [("ISOLATION_ORDER", "STOP")]
    gone = json.dumps([{**alert, "op": "D"}])
    assert (await figures(hub, await feed_deliveries.tell(hub, police, gone)))["applied"] == 1
    assert (
        await feed_deliveries.rows(hub, "SELECT 1 FROM identity_alert WHERE hub_id = $1") == []
    )


async def test_a_backlog_is_worked_on_a_little_at_a_time(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = feed_of(hub)
    for run in ("G1", "G2", "G3"):
        await feed_deliveries.land(hub, feed, [event(run)])
    monkeypatch.setattr(applier, "MOST_S", 0)
    assert [await applier.apply_due(feed_deliveries.desk_of(hub), feed) for _ in range(4)] == [
        1,
        1,
        1,
        0,
    ]


async def test_what_is_said_of_somebody_again_on_a_later_day_holds_for_longer(
    hub: Hub,
) -> None:
    feed = feed_of(hub, "police", format="police")
    now = clock.now() + timedelta(minutes=1)
    alert = {
        "alert_id": "A1",
        "id_no": people.resident_number(),
        "kind": "ISOLATION_ORDER",
        "authority": "Binjiang district police",
        "legal_basis": "Infectious Disease Law art. 39",
        "action": "STOP",
        "valid_from": (now + timedelta(days=9)).isoformat(),
        "valid_to": (now + timedelta(days=20)).isoformat(),
    }
    query = "SELECT valid_to FROM identity_alert WHERE hub_id = $1"
    lasts: list[timedelta] = []
    for day in (0, 2, 7):
        said = await feed_deliveries.land(hub, feed, json.dumps([alert] + [{}] * day).encode())
        desk = feed_deliveries.desk_of(hub, now + timedelta(days=day))
        await applier.apply_due(desk, feed)
        ((until,),) = await feed_deliveries.rows(hub, query)
        assert isinstance(until, datetime)
        lasts.append(until - now)
        assert (await figures(hub, said))["repeated"] == (day > 0)
    assert lasts == [timedelta(days=14), timedelta(days=16), timedelta(days=20)]
    await feed_deliveries.replay(hub, feed, said)
    await applier.apply_due(feed_deliveries.desk_of(hub, now + timedelta(days=9)), feed)
    assert await feed_deliveries.rows(
        hub,
        "SELECT count(DISTINCT day), max(recorded_at) FROM identity_alert WHERE hub_id = $1",
    ) == [(1, now + timedelta(days=7))]


async def test_real_passenger_lists_are_read_and_all_are_expected(hub: Hub) -> None:
    data = published_vectors.shared_data()
    if data is None:
        pytest.skip("no real lists here: set TWINSTILE_SHARED_DATA to the folder with feeds/")
    feed = feed_of(hub, "apis", format="paxlst")
    for sample in sorted((data / "feeds").glob("paxlst_*")):
        told = await figures(hub, await feed_deliveries.land(hub, feed, sample.read_bytes()))
        assert told["state"] == "LANDED"
    await applier.apply_due(feed_deliveries.desk_of(hub), feed)
    states = await feed_deliveries.rows(
        hub, "SELECT state, rejected, unmatched FROM feed_delivery WHERE hub_id = $1"
    )
    assert [state for state, *_ in states] == ["APPLIED"] * 2, states
    ((count,),) = await feed_deliveries.rows(
        hub, "SELECT count(*) FROM manifest_entry WHERE hub_id = $1"
    )
    assert count == 10, states


async def test_a_cancelled_run_is_due_at_no_lane_and_missed_by_nobody(hub: Hub) -> None:
    feed, soon = feed_of(hub), clock.now() + timedelta(minutes=30)
    told = event("G1", at=soon.isoformat())
    await feed_deliveries.tell(hub, feed, told, traveller("G1", "a", people.resident_number()))
    path, late = f"/v1/lanes/{next(iter(LANES))}/state", soon + timedelta(days=2)

    async def due() -> tuple[list[object], int]:
        state: people.Json = (await hub.client().get(path)).json()
        runs = state["runs"]
        assert isinstance(runs, list)
        async with hub.runtime.database.transaction() as tx:
            overdue = await manifests.overdue_runs(tx, hub.hub_id, late, late, 9)
        return [run["expected"] for run in runs], len(overdue)

    assert await due() == ([1], 1)
    await feed_deliveries.tell(hub, feed, {**told, "status": "CANCELLED"})
    assert await due() == ([], 0)
    await feed_deliveries.tell(hub, feed, {**told, "again": 1})
    assert await due() == ([1], 1)
