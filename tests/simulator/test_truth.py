import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from twinstile_simulator import timetable, truth
from twinstile_simulator.protocol import State
from twinstile_simulator.truth import DayOrder, DayPlan

ORDER = DayOrder(seed=222, travellers=3000, lanes=8, offline_share=0.25, fever_per_100k=500.0)


def _plan(order: DayOrder = ORDER) -> DayPlan:
    trains = timetable.spread(timetable.built_in(date(2026, 3, 2)).trains, 30)
    return truth.plan_day(trains, order)


PLAN = _plan()


def test_the_same_order_gives_the_same_day():
    assert _plan() == PLAN
    assert _plan(replace(ORDER, seed=223)).counts != PLAN.counts


def test_everybody_of_the_crowd_is_either_cleared_or_a_case():
    ends = [passage.steps[-1].state for passage in PLAN.passages]
    assert len(ends) == 3000
    assert set(ends) == {State.CLEARED, State.HELD}
    held = [p.disposition for p in PLAN.passages if p.steps[-1].state is State.HELD]
    assert None not in held
    assert PLAN.counts.no_show == sum(not person.comes for person in PLAN.crowd) > 0


def test_the_totals_are_those_of_the_crowd_and_of_the_guests():
    counts, crowd = PLAN.counts, _plan(replace(ORDER, fever_per_100k=0.0)).passages
    alone = truth.count(crowd, (), no_show=0)
    guests = truth.count((), PLAN.arrivals, no_show=0)
    both = truth.count(PLAN.passages, PLAN.arrivals, no_show=counts.no_show)
    assert both == counts
    assert (alone.travellers, alone.person_times, alone.kinds) == (3000, 3000, {})
    assert (guests.deferred_closed_24h, guests.offline) == (2, 0)
    # nobody checked who was entered in error or only changed trains; an erroneous check is none
    here = sum(guests.kinds.values()) - 3
    assert (guests.travellers, guests.person_times) == (here, here + 3)
    assert (guests.cases, guests.deferred, guests.ends["VOID"]) == (3, 3, 2)
    assert guests.cleared == sum(n for end, n in guests.ends.items() if "CLEARED" in end)
    assert sum(guests.dispositions.values()) == guests.cases
    assert guests.checks < sum(len(g.script) for v in PLAN.arrivals for g in v.travellers)
    assert counts.cleared + counts.cases < counts.person_times


def test_nobody_is_complete_on_a_train_without_the_first_reminder():
    forgotten = [p for p in PLAN.passages if p.person.train not in PLAN.reminded]
    assert forgotten
    assert not any(passage.complete for passage in forgotten)
    assert PLAN.counts.complete_222 == len(PLAN.passages) - len(forgotten)


def test_some_tablets_are_offline_for_the_middle_of_their_work():
    offline = [passage for passage in PLAN.passages if passage.offline and not passage.away]
    assert {passage.tablet for passage in offline} == {0, 1}
    for tablet in (0, 1):
        mine = [
            passage.offline and not passage.away
            for passage in PLAN.passages
            if passage.tablet == tablet
        ]
        assert len(mine) // 3 == sum(mine)
        assert not mine[0]
        assert not mine[-1]


@pytest.mark.parametrize(("share", "tablets"), [(0.0, 0), (0.01, 1), (1.0, 8)])
def test_any_share_of_offline_tablets_can_be_asked_for(share: float, tablets: int):
    plan = _plan(replace(ORDER, offline_share=share))
    cut = {p.tablet for p in plan.passages if p.offline and not p.away}
    assert len(cut) == tablets


@pytest.mark.parametrize("travellers", [1, 60, 3000])
def test_every_lane_takes_some_while_the_service_is_away(travellers: int):
    plan = _plan(replace(ORDER, travellers=travellers, offline_share=0.0))
    for tablet in range(min(travellers, ORDER.lanes)):
        mine = [passage for passage in plan.passages if passage.tablet == tablet]
        away = [position for position, passage in enumerate(mine) if passage.away]
        assert 1 <= len(away) <= truth.TAKEN_AWAY
        assert away == list(range(away[0], away[-1] + 1))
        assert all(mine[position].offline for position in away)


def test_rechecks_stay_as_rare_as_published():
    passages = _plan(replace(ORDER, fever_per_100k=8.0)).passages
    counts = truth.count(passages, (), no_show=0)
    assert counts.referred / counts.travellers < 0.04


def test_most_true_fevers_are_found_and_some_are_missed():
    plan = _plan(replace(ORDER, fever_per_100k=10_000.0))
    febrile = [passage for passage in plan.passages if passage.person.febrile]
    found = sum(passage.steps[-1].state is State.HELD for passage in febrile)
    assert 0.4 < found / len(febrile) < 0.85


def test_the_truth_is_written_as_json_without_names_or_numbers(tmp_path: Path):
    path = tmp_path / "truth.json"
    truth.write(PLAN, ORDER, path)
    text = path.read_text(encoding="utf-8")
    told = json.loads(text)
    assert told["counts"]["travellers"] == PLAN.counts.travellers
    assert len(told["guests"]) == sum(PLAN.counts.kinds.values())
    assert len(told["people"]) == 3000
    assert told["order"]["seed"] == 222
    for passage in PLAN.passages[:50]:
        assert passage.person.document.number not in text
        assert f'"{passage.person.name}"' not in text
