"""Who sat near whom: seats as they are written, and zones around a patient."""

from uuid import UUID

import pytest

from twinstile.contacts import geometry, seats
from twinstile.contacts.geometry import Aboard, DataCoverage, RunLocation
from twinstile.contacts.seats import Seat
from twinstile.policy import contact_criteria
from twinstile.policy.types import ContactClass, Conveyance

RULES = contact_criteria.compiled(contact_criteria.shipped())
ME, OTHER, THIRD = UUID(int=1), UUID(int=2), UUID(int=3)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("12F", Seat(12, letter="F")),
        ("012 f", Seat(12, letter="F")),
        ("\uff11\uff12\uff26", Seat(12, letter="F")),
        ("12排F座", Seat(12, letter="F")),
        ("F12", Seat(12, letter="F")),
        ("12-A", Seat(12, letter="A")),
        ("087", Seat(87)),
        ("87号", Seat(87)),
        ("15号下铺", Seat(15, level="L")),
        ("15上", Seat(15, level="U")),
        ("15中铺", Seat(15, level="M")),
        ("berth 15u", Seat(15, level="U")),
        ("无座", None),
        ("0A", None),
        ("1234A", None),
        ("12AB", None),
        ("", None),
        (None, None),
        ("²A", Seat(2, letter="A")),
    ],
)
def test_seats_are_read_as_carriers_write_them(text: str | None, read: Seat | None) -> None:
    assert seats.seat(text) == read


@pytest.mark.parametrize("text", ["3", "03", "3车", "03车厢", "coach 3", "Car-3", "\uff13"])
def test_a_coach_has_one_spelling(text: str) -> None:
    assert seats.coach(text) == "3"


@pytest.mark.parametrize("text", [None, "", "0", " 车"])
def test_what_names_no_coach_is_none(text: str | None) -> None:
    assert seats.coach(text) is None


def at(
    coach: str | None, seat: str | None, leg: tuple[int, int] | None = None, **more: bool
) -> RunLocation:
    return RunLocation(seats.coach(coach), seats.seat(seat), leg, **more)


def found(
    conveyance: Conveyance, mine: RunLocation, *its: RunLocation, crew: bool = False
) -> list[tuple[str, str, bool]]:
    """Rules by which somebody at these places is a contact, with class and certainty."""
    contacts = geometry.near(
        Aboard(ME, (mine,)), [Aboard(OTHER, its, crew=crew)], conveyance, RULES
    )
    return [
        (one.rule_id, one.contact_class.value, one.certain)
        for contact in contacts
        for one in contact.reasons
    ]


C, G = "CLOSE", "GENERAL"


@pytest.mark.parametrize(
    ("conveyance", "mine", "its", "expected"),
    [
        ("AIRCRAFT", (None, "20A"), (None, "23K"), "AIR-ROWS AIR-ABOARD"),
        ("AIRCRAFT", (None, "20A"), (None, "24A"), "AIR-ABOARD"),
        ("AIRCRAFT", (None, "20A"), (None, None), "?AIR-ROWS AIR-ABOARD"),
        ("TRAIN", ("3", "12F"), ("03", "15A"), "TRAIN-ROWS TRAIN-COACH"),
        ("TRAIN", ("3", "12F"), ("3", "16A"), "TRAIN-COACH"),
        ("TRAIN", ("3", "12F"), ("4", "12F"), ""),
        ("TRAIN", ("3", "12F"), (None, None), "?TRAIN-ROWS ?TRAIN-COACH"),
        ("TRAIN", ("3", "12F"), ("3", "无座"), "TRAIN-COACH ?TRAIN-ROWS"),
        ("TRAIN_SLEEPER", ("9", "5下"), ("9", "6上"), "SLEEPER-COMPARTMENT"),
        ("TRAIN_SLEEPER", ("9", "5下"), ("9", "7下"), ""),
        ("TRAIN_SLEEPER", ("9", "5下"), ("9", "5F"), "?SLEEPER-COMPARTMENT"),
        ("TRAIN_OPEN", ("9", "11"), ("9", "21"), "OPEN-TRAIN-BAYS"),
        ("TRAIN_OPEN", ("9", "11"), ("9", "31"), ""),
        ("TRAIN_OPEN", ("9", "1A"), ("9", "4F"), "OPEN-TRAIN-BAYS"),
        ("TRAIN_OPEN", ("9", "1A"), ("9", "5F"), ""),
        ("COACH", (None, "1A"), (None, "40A"), "COACH-ABOARD"),
        ("COACH_OPEN", (None, "1A"), (None, "4A"), "OPEN-COACH-ROWS"),
        ("COACH_OPEN", (None, "1A"), (None, "5A"), ""),
        ("SHIP", ("B12", None), ("b12", None), "SHIP-CABIN"),
        ("SHIP", ("B12", None), ("B13", None), ""),
    ],
)  # fmt: skip
def test_mrz_layouts_of_each_conveyance(
    conveyance: str,
    mine: tuple[str | None, str | None],
    its: tuple[str | None, str | None],
    expected: str,
) -> None:
    reasons = found(Conveyance(conveyance), at(*mine), at(*its))
    assert " ".join(name if certain else f"?{name}" for name, _, certain in reasons) == expected
    assert all(level == "GENERAL" for name, level, certain in reasons if not certain)


@pytest.mark.parametrize(
    ("conveyance", "coach", "rule"),
    [
        ("AIRCRAFT", None, "AIR-CREW"),
        ("TRAIN", "3", "TRAIN-CREW"),
        ("TRAIN", None, "TRAIN-CREW"),
        ("TRAIN_SLEEPER", "3", "SLEEPER-CREW"),
        ("TRAIN_OPEN", "3", "OPEN-TRAIN-CREW"),
        ("COACH_OPEN", None, "OPEN-COACH-CREW"),
        ("SHIP", "3", "SHIP-CREW"),
    ],
)
def test_crew_that_may_have_served_the_patient_is_close(
    conveyance: str, coach: str | None, rule: str
) -> None:
    assert (rule, C, True) in found(
        Conveyance(conveyance), at("3", "12F"), at(coach, None), crew=True
    )
    others = found(Conveyance(conveyance), at("3", "12F"), at(coach, None))
    assert rule not in {name for name, _, _ in others}


def test_crew_of_another_coach_is_no_contact() -> None:
    assert found(Conveyance.TRAIN, at("3", "12F"), at("4", None), crew=True) == []


def test_who_left_before_the_patient_came_is_no_contact() -> None:
    mine = at("3", "12F", (2, 4))
    assert found(Conveyance.TRAIN, mine, at("3", "12D", (0, 2))) == []
    assert found(Conveyance.TRAIN, mine, at("3", "12D", (4, 5))) == []
    assert found(Conveyance.TRAIN, mine, at("3", "12D", (3, 5)))


def test_points_follow_the_legs_travelled_together() -> None:
    mine = at("3", "1A", (0, 4))
    others = [
        Aboard(OTHER, (at("3", "9F", (3, 4)),)),
        Aboard(THIRD, (at("3", "9D", (0, 4)),)),
    ]
    ranked = geometry.ranked(
        geometry.near(Aboard(ME, (mine,)), others, Conveyance.TRAIN, RULES)
    )
    assert [(one.person_id, one.points) for one in ranked] == [(THIRD, 60), (OTHER, 15)]
    assert ranked[1].reasons[0].legs == (1, 4)


def test_a_seat_that_was_corrected_counts_half() -> None:
    places = (at("4", "1A"), at("3", "12D", earlier=True))
    contacts = geometry.near(
        Aboard(ME, (at("3", "12F"),)), [Aboard(OTHER, places)], Conveyance.TRAIN, RULES
    )
    assert [(one.rule_id, one.points, one.earlier) for one in contacts[0].reasons] == [
        ("TRAIN-ROWS", 40, True),
        ("TRAIN-COACH", 30, True),
    ]


def test_a_party_is_close_wherever_they_sit() -> None:
    me = Aboard(ME, (at("3", "12F"),), party="P1")
    others = [Aboard(OTHER, (at("9", "1A"),), party="P1"), Aboard(THIRD, (at("9", "1B"),))]
    (contact,) = geometry.near(me, others, Conveyance.TRAIN, RULES)
    assert contact.person_id == OTHER
    assert contact.contact_class is ContactClass.CLOSE


def test_somebody_found_twice_is_one_contact_with_the_best_reason_of_each_rule() -> None:
    near = geometry.near(
        Aboard(ME, (at("3", "12F"),)),
        [Aboard(OTHER, (at("3", "13F"),))],
        Conveyance.TRAIN,
        RULES,
    )
    (whole,) = geometry.ranked([*near, *near])
    assert [one.rule_id for one in whole.reasons] == ["TRAIN-ROWS", "TRAIN-COACH"]
    assert whole.points == 85


def test_stops_out_of_order_or_unknown_are_no_leg() -> None:
    stops = geometry.counted(["A", "B"])
    assert geometry.leg(stops, "A", "B") == (0, 1)
    assert geometry.leg(stops, "B", "A") is None
    assert geometry.leg(stops, "A", None) is None
    assert geometry.leg({}, "A", "B") is None


@pytest.mark.parametrize(
    ("board", "alight", "leg"),
    [
        ("杭州东", "上海虹桥站", (0, 3)),
        ("JIAXING  south", "Shanghai Station", (1, 4)),
        ("\uff2aiaxing South", "上海虹桥", (1, 3)),
        ("Ring", "上海虹桥", None),  # the run comes there twice
        ("站", "上海虹桥", None),
    ],
)
def test_stops_are_the_same_however_they_are_written(
    board: str, alight: str, leg: tuple[int, int] | None
) -> None:
    stops = ["杭州东站", "Jiaxing South", "Ring", "上海虹桥", "shanghai", "ring"]
    assert geometry.leg(geometry.counted(stops), board, alight) == leg


def test_the_score_is_the_mean_of_what_was_needed() -> None:
    assert DataCoverage(100, 50, None, 0, 100, None).score == 62
    assert DataCoverage(None, None, None, None, None, None).score == 0
