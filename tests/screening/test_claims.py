"""Tests, itineraries and declarations: how they add up, what rules read, the way by HTTP."""

import json
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import cast

import people
import pytest
from hubs import Hub
from hypothesis import given
from hypothesis import strategies as st

from twinstile.platform.db.database import as_json
from twinstile.platform.security.roles import Role
from twinstile.policy import areas, documents
from twinstile.policy.areas import KeyArea, Level
from twinstile.screening import claims, intake
from twinstile.screening.bodies import CheckFact
from twinstile.screening.claim_words import (
    ItinerarySource,
    SampleKind,
    SampleResult,
    Symptom,
    Tristate,
)
from twinstile.screening.claims import Claims, Coarse
from twinstile.screening.types import Category

AT = datetime(2022, 4, 12, 4, tzinfo=UTC)
DAY = AT.date()
LISTED = [
    KeyArea("310115", Level.HIGH, date(2022, 4, 1), date(2022, 4, 30)),
    KeyArea("22", Level.CASES, date(2022, 4, 1), date(2022, 4, 30)),
]
KNOWN = areas.compiled(["610113"], LISTED)

moments = st.datetimes(datetime(2022, 4, 1), datetime(2022, 4, 12), timezones=st.just(UTC))  # noqa: DTZ001
samples = st.tuples(
    st.sampled_from(SampleKind),
    st.sampled_from([SampleResult.NEGATIVE, SampleResult.POSITIVE]),
    moments,
)
stays = st.tuples(
    st.sampled_from(["310115", "310104", "22", "2201", "610113", "USA"]),
    st.none() | st.dates(date(2022, 4, 1), DAY),
)
claimed = st.builds(
    Claims,
    category=st.none() | st.sampled_from(Category),
    tests=st.frozensets(samples, max_size=3),
    source=st.sampled_from(ItinerarySource),
    starred=st.booleans(),
    stays=st.lists(stays, max_size=4).map(tuple),
    declared=st.just(True),
    symptoms=st.frozensets(st.sampled_from(Symptom), max_size=3),
    contact=st.sampled_from(Tristate),
    fever_medicine=st.booleans(),
)


def coarse(of: Claims) -> Coarse:
    return claims.coarse(of, KNOWN, AT, DAY)


def severity(level: Level) -> int:
    return list(Level).index(level)


@given(claimed, claimed)
def test_a_late_check_lowers_no_suspicion(known: Claims, late: Claims) -> None:
    known = claims.NOTHING.joined(known, late=False)
    before, after = coarse(known), coarse(known.joined(late, late=True))
    assert after.starred >= before.starred
    assert after.symptoms >= before.symptoms
    assert after.fever_medicine >= before.fever_medicine
    assert list(Tristate).index(after.contact) >= list(Tristate).index(before.contact)
    for name in ("province", "county", "street"):
        assert severity(getattr(after, name)) >= severity(getattr(before, name))
    if before.test is SampleResult.POSITIVE:
        assert after.test is SampleResult.POSITIVE
    if known.category:
        assert after.category is before.category


@given(claimed)
def test_claims_come_back_from_the_fold_as_they_went_in(one: Claims) -> None:
    whole = claims.NOTHING.joined(one, late=False)
    stored = json.loads(as_json(claims.pack(whole)))
    assert claims.unpack(stored) == whole
    assert claims.pack(claims.NOTHING) == {}


def test_an_officer_who_establishes_the_itinerary_replaces_card_and_declaration() -> None:
    card = Claims(source=ItinerarySource.CARD, starred=True, stays=(("310115", None),))
    own = Claims(source=ItinerarySource.OFFICER, stays=(("610113", None),))
    known = claims.NOTHING.joined(card, late=False)
    assert known.joined(own, late=False).stays == own.stays
    assert not known.joined(own, late=False).starred
    assert known.joined(own, late=True).stays == (*card.stays, *own.stays)
    declared = replace(own, source=ItinerarySource.DECLARATION)
    assert known.joined(declared, late=False).starred


@pytest.mark.parametrize(
    ("age", "hours"),
    [
        (timedelta(hours=47, minutes=59), 48),
        (timedelta(hours=48), 48),
        (timedelta(hours=48, minutes=1), 49),
        (timedelta(0), 0),
        (timedelta(minutes=-30), 0),
        (timedelta(hours=-2), claims.NEVER),
        (timedelta(days=4000), claims.NEVER),
    ],
)
def test_the_age_of_a_test_is_in_hours_begun(age: timedelta, hours: int) -> None:
    sample = (SampleKind.PCR, SampleResult.NEGATIVE, AT - age)
    assert coarse(Claims(tests=frozenset({sample}))).negative_pcr_hours == hours


def test_a_result_that_is_awaited_takes_nothing_from_one_that_is_there() -> None:
    old = (SampleKind.PCR, SampleResult.NEGATIVE, AT - timedelta(hours=30))
    new = (SampleKind.PCR, SampleResult.PENDING, AT)
    told = coarse(Claims(tests=frozenset({old, new})))
    assert (told.test, told.negative_hours, told.pending) == (SampleResult.NEGATIVE, 30, True)


def policy() -> dict[str, object]:
    """The usual policy, with rules about what is claimed and an area of this year."""
    document = deepcopy(documents.pack("cn-hub"))
    document["version"] = "claims-1"
    document["home"] = ["610113"]
    document["areas"] = [
        {"code": "310115007", "level": "HIGH", "from": "2022-04-01", "until": "2099-12-31"}
    ]
    rules = cast("list[dict[str, object]]", document["rules"])
    say = {"code": "tried", "text": {"en": "tried", "zh-CN": "试"}}
    near = {"===": [{"var": "area.street"}, "HIGH"]}
    home = {
        "kind": "CENTRAL_ISOLATION",
        "days": 14,
        "anchor": "LEFT_AREA",
        "test_days": [1, 3, 7, 13],
        "mode": "COACH",
    }
    back = {"outcome": "RETURN", "text": {"en": "or return", "zh-CN": "或劝返"}, "measures": []}
    rules += [
        {
            "id": "TRY-STREET",
            "when": near,
            "outcome": "SECONDARY",
            "measures": [home],
            "alternatives": [back],
            "discretion": True,
            **say,
        },
        {
            "id": "TRY-PENDING",
            "when": {"===": [{"var": "credential.status"}, "PENDING"]},
            "outcome": "WAIT",
            **say,
        },
        {
            "id": "TRY-AWAY",
            "when": {"===": [{"var": "category"}, "STAFF"]},
            "outcome": "DEFER",
            **say,
        },
        {
            "id": "TRY-TEST",
            "when": {"===": [{"var": "test.result"}, "POSITIVE"]},
            "outcome": "SECONDARY",
            **say,
        },
    ]
    return document


def test_what_a_check_does_not_say_is_no_part_of_its_fingerprint() -> None:
    silent = json.loads(intake.content(CheckFact.model_validate(people.fact())))
    assert tuple(silent) == intake._FIRST
    said = CheckFact.model_validate(people.fact(category="TRAVELLER"))
    assert set(json.loads(intake.content(said))) == {*intake._FIRST, "category"}


def test_no_late_negative_test_outdates_a_positive_one() -> None:
    positive = (SampleKind.PCR, SampleResult.POSITIVE, AT - timedelta(days=3))
    negative = (SampleKind.PCR, SampleResult.NEGATIVE, AT - timedelta(days=1))
    known = Claims(tests=frozenset({positive}))
    newer = Claims(tests=frozenset({negative}))
    assert coarse(known.joined(newer, late=True)).test is SampleResult.POSITIVE
    assert coarse(known.joined(newer, late=False)).test is SampleResult.NEGATIVE


async def put(hub: Hub, body: people.Json, who: str = Role.SCREENER) -> people.Json:
    answer = await hub.client(who).put(f"/v1/checks/{people.new_id()}", json=body)
    assert answer.status_code == 201, answer.text
    return cast("people.Json", answer.json())


async def test_what_is_claimed_is_stored_decided_on_and_ordered(hub: Hub) -> None:
    await hub.adopt(policy())
    left = (datetime.now(UTC) - timedelta(days=3)).date()
    itinerary = {
        "source": "CARD",
        "starred": True,
        "areas": [{"code": "310115007", "left_on": left.isoformat()}],
    }
    declaration = {"symptoms": ["COUGH"], "contact": "UNSURE"}
    body = people.check(itinerary=itinerary, declaration=declaration, category="CREW")
    check_id, client = people.new_id(), hub.client()
    told = (await client.put(f"/v1/checks/{check_id}", json=body)).json()
    (measure,) = (one for one in told["measures"] if one["rule_id"] == "TRY-STREET")
    assert measure["anchored_on"] == left.isoformat()
    assert measure["until"] == (left + timedelta(days=14)).isoformat()
    assert measure["test_on"][-1] == (left + timedelta(days=13)).isoformat()
    (reason,) = (r for r in told["reasons"] if r["rule_id"] == "TRY-STREET")
    assert reason["discretion"] is True
    assert [(a["outcome"], a["text"]) for a in reason["alternatives"]] == [
        ("RETURN", "or return")
    ]
    again = (await client.put(f"/v1/checks/{check_id}", json=body)).json()
    assert again["measures"] == told["measures"]
    stored = (await client.get(f"/v1/checks/{check_id}")).json()
    assert stored["measures"] == told["measures"]
    assert stored["evidence"]["itinerary"] == itinerary
    assert stored["evidence"]["declaration"]["symptoms"] == ["COUGH"]
    assert stored["evidence"]["category"] == "CREW"
    whole = (await client.get(f"/v1/screenings/{told['screening_id']}")).json()
    assert whole["measures"] == told["measures"]


async def test_claims_of_earlier_checks_count_in_later_ones(hub: Hub) -> None:
    await hub.adopt(policy())
    number = people.resident_number()
    sample = {"kind": "PCR", "result": "POSITIVE", "sampled_at": people.ago(hours=3)}
    first = await put(hub, people.check(number=number, credential=None, test=sample))
    later = await put(hub, people.check(2, number))
    assert first["state"] == later["state"] == "SECONDARY"
    assert "TRY-TEST" in [reason["rule_id"] for reason in cast("list", later["reasons"])]


async def test_who_waits_for_a_provider_rests_in_verifying_until_it_answers(hub: Hub) -> None:
    await hub.adopt(policy())
    number = people.resident_number()
    waiting = await put(hub, people.check(number=number, credential={"status": "PENDING"}))
    assert (waiting["state"], waiting["verdict"]) == ("VERIFYING", "UNKNOWN")
    assert waiting["next_step"] == "wait"
    whole = await hub.client().get(f"/v1/screenings/{waiting['screening_id']}")
    due = datetime.fromisoformat(whole.json()["due_at"])
    assert timedelta(0) < due - datetime.now(UTC) < timedelta(seconds=20)
    green = await put(hub, people.check(2, number))
    assert (green["state"], green["verdict"]) == ("CLEARED", "PASS")


async def test_who_is_deferred_goes_on_but_is_never_shown_green(hub: Hub) -> None:
    await hub.adopt(policy())
    number = people.resident_number()
    told = await put(hub, people.check(number=number, category="STAFF"))
    assert (told["state"], told["verdict"]) == ("DEFERRED", "UNKNOWN")
    assert told["next_step"] == "go-deferred"
    address = f"/v1/screenings/{told['screening_id']}"
    first = (await hub.client().get(address)).json()
    due = datetime.fromisoformat(first["due_at"])
    assert timedelta(hours=23) < due - datetime.now(UTC) < timedelta(hours=24)
    assert [step["event"] for step in first["steps"]] == [
        "present",
        "evidence_complete",
        "provider_unavailable_low_risk",
    ]
    again = await put(hub, people.check(2, number, category="STAFF"))
    assert again["screening_id"] == told["screening_id"]
    assert (await hub.client().get(address)).json()["due_at"] == first["due_at"]
