from datetime import UTC, datetime
from random import Random

import pytest

from twinstile_simulator import people
from twinstile_simulator.people import CrowdPerson
from twinstile_simulator.timetable import TimetableTrain

TRAIN = TimetableTrain("G1", "A", "B", datetime(2026, 3, 2, 8, tzinfo=UTC), "1", 1000)


def _crowd(trains: int, seed: int = 1, fever: float = 500.0) -> list[CrowdPerson]:
    return [
        person
        for index in range(trains)
        for person in people.passengers(TRAIN, index, seed, fever)
    ]


@pytest.fixture(scope="module")
def big() -> list[CrowdPerson]:
    return _crowd(250)


def test_a_seed_means_the_same_people_for_ever():
    assert _crowd(3) == _crowd(3)
    assert _crowd(3) != _crowd(3, seed=2)
    first = _crowd(1)[0]
    told = (first.document.number, first.name, first.credential, round(first.core, 6))
    assert told == ("770000199803120006", "杨洋勇", "GREEN", 36.509812)


def test_a_longer_day_begins_with_the_shorter_one():
    assert _crowd(5)[: len(_crowd(3))] == _crowd(3)


def test_as_many_alight_as_published(big: list[CrowdPerson]):
    assert 0.17 * 1000 * 250 < len(big) < 0.26 * 1000 * 250
    assert len(big) / (1000 * 250) == pytest.approx(0.215, abs=0.01)


@pytest.mark.parametrize(
    ("share", "happens"),
    [
        (people.FOREIGN, lambda p: p.document.kind == "PASSPORT"),
        (people.NO_SHOW, lambda p: not p.comes),
        (people.WALK_UP, lambda p: not p.listed),
        (people.MISMATCH, lambda p: p.mismatch),
        (people.COLD_SKIN, lambda p: p.cold_skin),
        (0.010, lambda p: p.credential == "YELLOW"),
        (0.002, lambda p: p.credential == "RED"),
        (0.003 + people.CHILD * people.CHILD_WITHOUT_CODE, lambda p: p.credential[0] == "N"),
        (0.005, lambda p: p.febrile),
    ],
)
def test_shares_are_those_documented(share: float, happens, big: list[CrowdPerson]):
    spread = (share * (1 - share) / len(big)) ** 0.5
    assert sum(map(happens, big)) / len(big) == pytest.approx(share, abs=4 * spread)


def test_half_of_the_febrile_hide_it(big: list[CrowdPerson]):
    febrile = [p.core for p in big if p.febrile]
    assert all(core <= 37.1 for core in (p.core for p in big if not p.febrile))
    assert 0.3 < sum(core < 37.8 for core in febrile) / len(febrile) < 0.6


def test_nobody_shares_papers_or_a_key_and_walk_ups_always_come(big: list[CrowdPerson]):
    assert len({p.document.number for p in big}) == len({p.key for p in big}) == len(big)
    assert all(p.comes for p in big if not p.listed)


def test_the_nearly_normal_draw_has_mean_0_and_deviation_1():
    rng = Random(3)
    draws = [people.normal(rng) for _ in range(20_000)]
    assert sum(draws) / len(draws) == pytest.approx(0, abs=0.03)
    assert sum(draw * draw for draw in draws) / len(draws) == pytest.approx(1, abs=0.05)


def test_rare_events_are_added_once_and_told():
    crowd, added = people.stratify(_crowd(2, fever=0), 1)
    assert "fever" in added
    assert sum(p.febrile for p in crowd) == 1
    assert people.stratify(crowd, 1) == (crowd, [])


def test_a_tiny_day_stays_as_drawn():
    few = _crowd(1)[:150]
    assert people.stratify(few, 1) == (few, [])


def test_a_day_on_which_everyone_is_ill_is_no_reason_to_fail():
    crowd, _ = people.stratify(_crowd(3, fever=100_000.0), 1)
    assert all(p.febrile for p in crowd)
