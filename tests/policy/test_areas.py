"""Key areas and distance: what a stay has in common with them, on which day."""

from datetime import date

import pytest

from twinstile.policy import areas
from twinstile.policy.areas import KeyArea, Level, Met, Relation

SINCE, DAY, UNTIL = date(2022, 4, 1), date(2022, 4, 12), date(2022, 4, 20)
STREET = KeyArea("310115007", Level.HIGH, SINCE, UNTIL)
COUNTY = KeyArea("610702", Level.MEDIUM, SINCE, UNTIL)
PROVINCE = KeyArea("220000", Level.CASES, SINCE, UNTIL)
COUNTRY = KeyArea("USA", Level.HIGH, SINCE, UNTIL)
KNOWN = areas.compiled(["610113"], [STREET, COUNTY, PROVINCE, COUNTRY])
NONE, CASES, MEDIUM, HIGH = Level.NONE, Level.CASES, Level.MEDIUM, Level.HIGH


def met(*codes: str, day: date = DAY) -> Met:
    return KNOWN.met([(areas.normal(code), None) for code in codes], day)


@pytest.mark.parametrize(
    ("code", "levels"),
    [
        ("310115007", (HIGH, HIGH, HIGH)),
        ("310115008", (HIGH, HIGH, NONE)),
        ("310115", (HIGH, HIGH, NONE)),
        ("310115000", (HIGH, HIGH, NONE)),
        ("310104", (HIGH, NONE, NONE)),
        ("3101", (HIGH, NONE, NONE)),
        ("310000", (HIGH, NONE, NONE)),
        ("610702004", (MEDIUM, MEDIUM, NONE)),
        ("220102", (CASES, NONE, NONE)),
        ("USA", (HIGH, NONE, NONE)),
        ("440305", (NONE, NONE, NONE)),
        ("FRA", (NONE, NONE, NONE)),
    ],
)
def test_a_stay_meets_an_area_as_closely_as_both_are_known(
    code: str, levels: tuple[Level, Level, Level]
) -> None:
    found = met(code)
    assert (found.province, found.county, found.street) == levels


@pytest.mark.parametrize(
    ("code", "relation"),
    [
        ("610113", Relation.SAME_COUNTY),
        ("610113004", Relation.SAME_COUNTY),
        ("610104", Relation.SAME_PREFECTURE),
        ("6101", Relation.SAME_PREFECTURE),
        ("610100", Relation.SAME_PREFECTURE),
        ("61", Relation.SAME_PROVINCE),
        ("610702", Relation.SAME_PROVINCE),
        ("310115", Relation.OTHER_PROVINCE),
        ("USA", Relation.ABROAD),
        ("HKG", Relation.ABROAD),
        ("810000", Relation.ABROAD),
    ],
)
def test_distance_is_that_of_what_is_known(code: str, relation: Relation) -> None:
    assert met(code).relation is relation


def test_of_several_places_the_farthest_and_the_worst_count() -> None:
    found = met("610113", "610702", "310104")
    assert found.relation is Relation.OTHER_PROVINCE
    assert (found.province, found.county, found.street) == (HIGH, MEDIUM, NONE)


def test_nothing_is_known_without_an_itinerary_or_without_a_home() -> None:
    assert met() == Met()
    homeless = areas.compiled([], [])
    assert homeless.met([("310115", None)], DAY).relation is Relation.UNKNOWN


@pytest.mark.parametrize(
    ("day", "left_on", "level"),
    [
        (date(2022, 3, 31), None, NONE),
        (SINCE, None, HIGH),
        (UNTIL, None, HIGH),
        (date(2022, 4, 21), None, NONE),
        (DAY, SINCE, HIGH),
        (DAY, date(2022, 3, 31), NONE),
    ],
)
def test_a_list_holds_from_its_first_day_to_its_last(
    day: date, left_on: date | None, level: Level
) -> None:
    assert KNOWN.met([("310115007", left_on)], day).street is level


def test_the_day_of_leaving_is_that_of_the_closest_area_and_the_latest_of_several() -> None:
    early, late = date(2022, 4, 5), date(2022, 4, 9)
    assert KNOWN.met([("610702", early), ("310104", late)], DAY).left_on == early
    assert KNOWN.met([("610702", early), ("610702", late)], DAY).left_on == late
    assert KNOWN.met([("610702", early), ("610702", None)], DAY).left_on is None
