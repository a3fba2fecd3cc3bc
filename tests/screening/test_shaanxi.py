"""The rules five stations of one province published on one day, row by row.

Source: news.hsw.cn/system/2022/0412/1452163.shtml and hanzhong123.com/2681.html, as read in
`docs/policy.md`. Decided through the compiled packs at noon of that day; of every station one
row also goes through HTTP.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import cast

import people
import pytest
from hubs import Hub

from twinstile.policy import areas, documents
from twinstile.policy.types import HubPolicy
from twinstile.screening import claims, machine, rules
from twinstile.screening.claim_words import ItinerarySource, SampleKind, SampleResult
from twinstile.screening.claims import Claims
from twinstile.screening.decision_context import DecisionContext
from twinstile.screening.evidence import Evidence
from twinstile.screening.types import Category, Outcome, TemperatureMethod, Verdict

AT = datetime(2022, 4, 12, 4, tzinfo=UTC)
DAY = date(2022, 4, 12)
STATIONS = ("xian", "xian-north", "baoji", "hanzhong")
FRESH = timedelta(hours=10)


@dataclass(frozen=True)
class Row:
    """A traveller with a green code, a match and 36.5 °C, and what the station does."""

    station: str
    outcome: Outcome
    rules: tuple[str, ...]
    stays: tuple[tuple[str, date | None], ...] = (("610104", None),)
    starred: bool = False
    tested: timedelta | None = FRESH
    """How long ago a PCR sample was taken that is negative; None: none is shown."""
    category: Category | None = None
    itinerary: bool = True
    measures: tuple[tuple[object, ...], ...] = ()
    """Kind, mode, last day, days of tests, and hours until it is due."""
    alternatives: tuple[str, ...] = field(default=())
    discretion: bool = False


PASS, TERMS, ASSIST = Outcome.PASS, Outcome.PASS_WITH_CONDITIONS, Outcome.ASSIST
SECONDARY, RETURN, REPEAT = Outcome.SECONDARY, Outcome.RETURN, Outcome.REPEAT
SAMPLE = ("SAMPLE", None, None, (), None)
REGISTER = ("REGISTER", None, None, (), None)
HANDOVER = ("TRANSFER", "POINT_TO_POINT", None, (), None)
COACH = ("TRANSFER", "COACH", None, (), None)
DAY_3 = ("TEST", None, None, (date(2022, 4, 15),), None)
WITHIN_24_AND_DAY_3 = ("TEST", None, None, (date(2022, 4, 15),), 24)
LEFT = date(2022, 4, 9)
CASES, NO_CASES = (("220102", None),), (("510104", None),)
STREET, COUNTY = (("310115007", LEFT),), (("310115", LEFT),)
JUST, OVER = timedelta(hours=47, minutes=59), timedelta(hours=48, minutes=1)


def april(*days: int) -> tuple[date, ...]:
    return tuple(date(2022, 4, day) for day in days)


ROWS = (
    # Xi'an: everything normal, one free sample, leave
    Row("xian", TERMS, ("XIAN-NORMAL",), measures=(SAMPLE,)),
    Row("xian", TERMS, ("XIAN-NORMAL",), CASES, measures=(SAMPLE,)),
    # Xi'an: itinerary card starred, handover point to point
    Row("xian", SECONDARY, ("XIAN-STARRED",), starred=True, measures=(HANDOVER,)),
    Row("xian", REPEAT, ("XIAN-CARD", "XIAN-NORMAL"), itinerary=False, measures=(SAMPLE,)),
    # Xi'an North: from a medium or high risk county
    Row(
        "xian-north",
        SECONDARY,
        ("XIBEI-RISK", "XIBEI-OTHER", "XIBEI-CASES"),
        COUNTY,
        measures=(HANDOVER, REGISTER, SAMPLE, DAY_3),
    ),
    # Xi'an North: another province, without and with cases
    Row("xian-north", TERMS, ("XIBEI-OTHER",), NO_CASES, measures=(REGISTER, SAMPLE)),
    Row(
        "xian-north",
        TERMS,
        ("XIBEI-OTHER",),
        NO_CASES,
        tested=None,
        measures=(REGISTER, SAMPLE),
    ),
    Row(
        "xian-north",
        TERMS,
        ("XIBEI-OTHER", "XIBEI-CASES"),
        CASES,
        tested=JUST,
        measures=(REGISTER, SAMPLE, DAY_3),
    ),
    Row(
        "xian-north",
        ASSIST,
        ("XIBEI-OTHER", "XIBEI-CASES", "XIBEI-TEST"),
        CASES,
        tested=OVER,
        measures=(REGISTER, SAMPLE, DAY_3),
    ),
    Row("xian-north", PASS, ()),
    # Baoji: any other province, return or one test and transfer
    Row("baoji", RETURN, ("BAOJI-OTHER",), NO_CASES, alternatives=(TERMS,)),
    Row("baoji", RETURN, ("BAOJI-OTHER",), CASES, tested=None, alternatives=(TERMS,)),
    # Baoji: risk area of the province, no longer returned
    Row(
        "baoji",
        SECONDARY,
        ("BAOJI-RISK",),
        (("610113", LEFT),),
        measures=(
            ("TEST", "DOUBLE", None, (), None),
            HANDOVER,
            ("CENTRAL_ISOLATION", None, date(2022, 4, 23), (), None),
        ),
    ),
    Row("baoji", PASS, (), (("610104", None),)),
    # Hanzhong: case province, tests within 24 hours and on day 3
    Row("hanzhong", TERMS, ("HANZHONG-CASES",), CASES, measures=(WITHIN_24_AND_DAY_3,)),
    Row(
        "hanzhong",
        TERMS,
        ("HANZHONG-CASES",),
        CASES,
        tested=JUST,
        measures=(WITHIN_24_AND_DAY_3,),
    ),
    # Hanzhong: same county as a risk area, home isolation from leaving it; day 1 has passed
    Row(
        "hanzhong",
        SECONDARY,
        ("HANZHONG-CASES", "HANZHONG-COUNTY"),
        (("310115009", LEFT),),
        measures=(
            WITHIN_24_AND_DAY_3,
            COACH,
            ("HOME_ISOLATION", None, date(2022, 4, 23), april(16, 22), None),
        ),
    ),
    Row(
        "hanzhong",
        SECONDARY,
        ("HANZHONG-COUNTY",),
        (("610702005", None),),
        measures=(
            COACH,
            ("HOME_ISOLATION", None, date(2022, 4, 26), april(13, 19, 25), None),
        ),
    ),
    # Hanzhong: same street, central isolation
    Row(
        "hanzhong",
        SECONDARY,
        ("HANZHONG-CASES", "HANZHONG-STREET"),
        STREET,
        measures=(
            WITHIN_24_AND_DAY_3,
            COACH,
            ("CENTRAL_ISOLATION", None, date(2022, 4, 23), april(12, 16, 22), None),
        ),
    ),
    # Hanzhong: no test of 48 hours, in principle persuaded to return
    Row("hanzhong", RETURN, ("HANZHONG-TEST",), tested=None, discretion=True),
    Row("hanzhong", RETURN, ("HANZHONG-TEST",), tested=OVER, discretion=True),
    Row("hanzhong", PASS, (), tested=JUST),
    Row("hanzhong", PASS, (), tested=timedelta(hours=48)),
    Row("hanzhong", PASS, (), tested=None, category=Category.INFANT, itinerary=False),
)


@cache
def policy(station: str) -> HubPolicy:
    return documents.compile_document(documents.pack(f"shaanxi-2022-04-12-{station}"))


def evidence(row: Row) -> Evidence:
    sample = row.tested and (SampleKind.PCR, SampleResult.NEGATIVE, AT - row.tested)
    brought = Claims(
        category=row.category,
        tests=frozenset({sample} if sample else ()),
        source=ItinerarySource.CARD if row.itinerary else None,
        starred=row.starred,
        stays=tuple((areas.normal(c), on) for c, on in row.stays) if row.itinerary else (),
    )
    return Evidence(
        readings=((365, TemperatureMethod.WALK_THROUGH, None),),
        credential="GREEN",
        identity="MATCH",
        claims=claims.NOTHING.joined(brought, late=False),
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.station} {'+'.join(row.rules)}")
def test_the_published_matrix_row_by_row(row: Row) -> None:
    station, around = policy(row.station), DecisionContext(AT, DAY)
    seen = evidence(row)
    decision = rules.decide(machine.START, seen, around, station)
    told = tuple(reason.rule_id for reason in decision.reasons)
    assert (decision.outcome, told) == (row.outcome, row.rules)
    if row.outcome is RETURN:
        assert decision.verdict is Verdict.STOP
    assert row.measures == tuple(
        (
            one.kind,
            one.mode,
            one.until,
            one.test_on,
            one.due_at and (one.due_at - AT) // timedelta(hours=1),
        )
        for one in rules.ordered(decision, seen, around, station)
    )
    applied = station.named(told)
    assert any(rule.discretion for rule in applied) == row.discretion
    assert row.alternatives == tuple(
        other.outcome for rule in applied for other in rule.alternatives
    )


def test_every_station_has_rows() -> None:
    assert {row.station for row in ROWS} == set(STATIONS)


@pytest.mark.parametrize(
    ("station", "stay", "state", "rule", "measure"),
    [
        ("xian", "610104", "CLEARED_CONDITIONAL", "XIAN-NORMAL", "SAMPLE"),
        ("xian-north", "310115", "SECONDARY", "XIBEI-RISK", "TRANSFER"),
        ("baoji", "610113", "SECONDARY", "BAOJI-RISK", "CENTRAL_ISOLATION"),
        ("hanzhong", "310115007", "SECONDARY", "HANZHONG-STREET", "CENTRAL_ISOLATION"),
    ],
)
async def test_each_station_decides_so_through_http(
    hub: Hub, station: str, stay: str, state: str, rule: str, measure: str
) -> None:
    document = deepcopy(documents.pack(f"shaanxi-2022-04-12-{station}"))
    for area in cast("list[dict[str, str]]", document["areas"]):
        area["until"] = "2099-12-31"  # the lists of that month are over by now
    await hub.adopt(document)
    body = people.check(
        test={"kind": "PCR", "result": "NEGATIVE", "sampled_at": people.ago(hours=20)},
        itinerary={"source": "CARD", "areas": [{"code": stay}]},
    )
    told = (await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)).json()
    assert told["state"] == state
    assert rule in [reason["rule_id"] for reason in told["reasons"]]
    assert measure in [one["kind"] for one in told["measures"]]
    assert told["policy_version"] == f"shaanxi-2022-04-12-{station}"
