"""The tablet's `decide` in a real browser against the service's own, and against the suites.

TWINSTILE_DECISIONS sets how many passages both decide; the usual number reaches most rules.
"""

import json
import os
import random
from collections.abc import AsyncGenerator
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import published_vectors
import pytest
from hubs import Service
from playwright.async_api import Browser, Page

from twinstile.arrivals.records import Mark
from twinstile.credentials.types import CredentialStatus
from twinstile.policy import areas, certlogic, documents
from twinstile.screening import claims, rules
from twinstile.screening.claim_words import (
    ItinerarySource,
    SampleKind,
    SampleResult,
    Symptom,
    Tristate,
)
from twinstile.screening.claims import Claims
from twinstile.screening.decision_context import ALONE, DecisionContext
from twinstile.screening.evidence import NONE, Evidence
from twinstile.screening.types import (
    Category,
    Company,
    Emergency,
    LaneDirection,
    PartyRole,
    ScreeningState,
    TemperatureMethod,
)

COUNT = int(os.environ.get("TWINSTILE_DECISIONS", "2000"))
CHUNK = 500
PACKS = (
    "cn-hub", "ihr-poe", "shaanxi-2022-04-12-xian", "shaanxi-2022-04-12-xian-north",
    "shaanxi-2022-04-12-baoji", "shaanxi-2022-04-12-hanzhong",
)  # fmt: skip
DAY = date(2022, 4, 12)
PLACES = (
    "31", "310115", "310115007", "220102", "6101", "610104", "610113", "510104", "8100", "HKG",
    "USA", "710000",
)  # fmt: skip

DECIDE = """async ([document, cases]) => {
  const { compilePolicy, decide } = await import("/gate/decide.js");
  const policy = compilePolicy(document);
  return cases.map(([state, evidence, around]) => decide(state, evidence, around, policy));
}"""
EVALUATE = """async (cases) => {
  const { compileRule } = await import("/gate/certlogic.js");
  return cases.map(([expression, data]) => {
    try { return { value: compileRule(expression)(data) }; }
    catch (error) { return { error: error.constructor.name }; }
  });
}"""
VALIDATE = """async (expressions) => {
  const { validate } = await import("/gate/certlogic.js");
  const told = ({ expr, message }) => ({ expr, message });
  return expressions.map((one) => validate(one).map(told));
}"""


@pytest.fixture(scope="module")
async def page(browser: Browser, service: Service) -> AsyncGenerator[Page]:
    opened = await browser.new_page()
    await opened.goto(f"{service.base_url}/docs")
    yield opened
    await opened.close()


@pytest.mark.parametrize("pack", PACKS)
async def test_both_decide_the_same_of_generated_passages(page: Page, pack: str) -> None:
    document = documents.pack(pack)
    policy = documents.compile_document(document)
    chance = random.Random(f"{pack} {COUNT}")
    outcomes: set[str] = set()
    fired: set[str] = set()
    for start in range(0, COUNT // len(PACKS) + 1, CHUNK):
        count = min(CHUNK, COUNT // len(PACKS) + 1 - start)
        cases = [passage(chance) for _ in range(count)]
        told = await page.evaluate(DECIDE, [document, [portable(*case) for case in cases]])
        for case, theirs in zip(cases, told, strict=True):
            decision = rules.decide(*case, policy)
            outcomes.add(decision.outcome)
            fired |= {reason.rule_id for reason in decision.reasons}
            assert theirs == {
                "outcome": decision.outcome,
                "verdict": decision.verdict,
                "state": decision.state,
                "reasons": [asdict(reason) for reason in decision.reasons],
                "policy_version": decision.policy_version,
            }, portable(*case)
    assert len(outcomes) > 3
    assert len(fired) > len(policy.rules) / 2


async def test_the_tablet_agrees_with_the_suites_of_certlogic(page: Page) -> None:
    data = published_vectors.shared_data()
    if data is None:
        pytest.skip(
            "no test vectors on this machine (TWINSTILE_SHARED_DATA names their folder)"
        )
    evaluated = [
        *published_vectors.certlogic_evaluation(data),
        *published_vectors.entry_rules(data),
    ]
    given = [list(case.judge.args) for case in evaluated]  # type: ignore[attr-defined]
    told = await page.evaluate(EVALUATE, given)
    wrong = [
        (case.name, theirs)
        for case, theirs in zip(evaluated, told, strict=True)
        if spelt(theirs.get("value", theirs)) != spelt(case.expected)
    ]
    assert not wrong
    validated = list(published_vectors.certlogic_validation(data))
    issues = await page.evaluate(VALIDATE, [case.judge.args[0] for case in validated])  # type: ignore[attr-defined]
    assert [spelt(one) for one in issues] == [spelt(case.expected) for case in validated]
    assert len(evaluated) + len(validated) == 823


async def test_both_read_odd_expressions_and_facts_alike(page: Page) -> None:
    chance = random.Random(222)
    cases = [
        [expression(chance, 4), {"a": value(chance, 3), "t": text(chance)}]
        for _ in range(COUNT)
    ]
    told = await page.evaluate(EVALUATE, cases)
    kinds: set[str] = set()
    for start in range(0, COUNT, CHUNK):
        told = await page.evaluate(EVALUATE, cases[start : start + CHUNK])
        for (rule, facts), theirs in zip(cases[start:], told, strict=False):
            ours = outcome(rule, facts)
            kinds.add(str(ours.get("error")))
            assert spelt(theirs) == spelt(ours), (rule, facts)
    assert kinds == {"None", "OperandError", "CertLogicError"}


def outcome(rule: Any, facts: Any) -> dict[str, Any]:
    try:
        found = certlogic.compile_rule(rule)(facts)
    except (certlogic.CertLogicError, certlogic.OperandError) as error:
        return {"error": type(error).__name__}
    return {"value": found}


def spelt(told: Any) -> str:
    """As JSON, a date-time as the browser spells it and a whole number without a point."""
    return json.dumps(plain(told), sort_keys=True)


def plain(told: Any) -> Any:
    match told:
        case datetime():
            return told.isoformat(timespec="milliseconds")
        case float() if told.is_integer():
            return int(told)
        case list():
            return [plain(one) for one in told]
        case dict():
            return {name: plain(one) for name, one in told.items()}
        case _:
            return told


def passage(chance: random.Random) -> tuple[ScreeningState, Evidence, DecisionContext]:
    """Somebody at a lane, mostly with little amiss, so that single rules decide."""
    seldom = chance.random() < 0.15
    readings = tuple(
        (
            chance.choice((340, 349, 350, 365, 368, 369, 370, 372, 373, 374, 385)),
            chance.choice(list(TemperatureMethod)).value,
            chance.choice((None, None, 0, 3)),
        )
        for _ in range(chance.choice((0, 1, 1, 1, 2, 3)))
    )
    evidence = Evidence(
        readings=readings,
        credential=chance.choice(["GREEN"] * 8 + [*CredentialStatus, NONE]),
        identity=chance.choice(["MATCH"] * 4 + ["MISMATCH", "NOT_CHECKED", NONE]),
        illness=seldom and chance.random() < 0.5,
        emergency=chance.choice([*Emergency]) if seldom and chance.random() < 0.3 else NONE,
        claims=claimed(chance) if chance.random() < 0.8 else claims.NOTHING,
    )
    around = DecisionContext(
        datetime(2022, 4, 12, 4, 30, 15, 250_000, tzinfo=UTC),
        DAY,
        prior_hold=seldom and chance.random() < 0.3,
        open_case=seldom and chance.random() < 0.3,
        company=Company(
            chance.choice(list(PartyRole)),
            chance.choice((None, "GREEN", "RED")),
            chance.random() < 0.2,
        )
        if seldom
        else ALONE,
        direction=chance.choice(list(LaneDirection)),
        marks=frozenset({chance.choice(list(Mark))}) if chance.random() < 0.1 else frozenset(),
    )
    state = chance.choice([ScreeningState.EXPECTED] * 3 + list(ScreeningState))
    return state, evidence, around


def claimed(chance: random.Random) -> Claims:
    at = datetime(2022, 4, 12, 4, 30, 15, tzinfo=UTC)
    samples = {
        (chance.choice(list(SampleKind)), chance.choice(list(SampleResult))): at
        - timedelta(
            hours=chance.choice((-2, 0, 1, 23, 24, 25, 47, 48, 49)),
            seconds=chance.choice((0, 1)),
        )
        for _ in range(chance.choice((0, 1, 1, 2)))
    }
    stays = tuple(
        (areas.normal(place), chance.choice((None, DAY - timedelta(days=chance.randrange(20)))))
        for place in chance.sample(PLACES, chance.choice((0, 1, 1, 2)))
    )
    return Claims(
        category=chance.choice([None, None, None, *Category]),
        tests=frozenset((kind, result, moment) for (kind, result), moment in samples.items()),
        source=chance.choice([None, *ItinerarySource]),
        starred=chance.random() < 0.1,
        stays=stays,
        declared=chance.random() < 0.5,
        symptoms=frozenset({chance.choice(list(Symptom))})
        if chance.random() < 0.1
        else frozenset(),
        contact=chance.choice([Tristate.NO] * 4 + list(Tristate)),
        fever_medicine=chance.random() < 0.05,
    )


def portable(state: ScreeningState, evidence: Evidence, around: DecisionContext) -> list[Any]:
    """The same as the tablet has it."""
    told = {
        "readings": [list(taken) for taken in evidence.readings],
        "credential": evidence.credential,
        "identity": evidence.identity,
        "illness": evidence.illness,
        "emergency": evidence.emergency,
        "claims": claims.pack(evidence.claims),
    }
    beside = {
        "at": around.at.timestamp() * 1000,
        "day": around.day.isoformat(),
        "direction": around.direction,
        "marks": sorted(around.marks),
        "prior_hold": around.prior_hold,
        "open_case": around.open_case,
        "company": None if around.company == ALONE else asdict(around.company),
    }
    return json.loads(json.dumps([state, told, beside], default=str))


OPERATORS = (
    "if", "and", "!", "===", "in", "+", ">", "<", ">=", "<=", "after", "before", "not-after",
    "not-before", "reduce", "dccDateOfBirth", "or", "plusTime", "extractFromUVCI",
)  # fmt: skip


def expression(chance: random.Random, depth: int) -> Any:
    if depth == 0 or chance.random() < 0.25:
        paths = (
            "a",
            "t",
            "a.0",
            "a.1.b",
            "a.b",
            "",
            "a.length",
            "a.__proto__",
            "current",
            "accumulator",
        )
        return chance.choice(
            [value(chance, 1), text(chance), *({"var": path} for path in paths)]
        )
    name = chance.choice(OPERATORS)
    inner = [expression(chance, depth - 1) for _ in range(chance.choice((1, 2, 2, 2, 3, 3)))]
    if name == "plusTime":
        amount = chance.choice((0, 1, -1, 12, 400, -100_000_000, 10**8 + 1, 1.5))
        inner = [text(chance), amount, chance.choice(("year", "month", "day", "hour", "week"))]
    if name == "extractFromUVCI":
        inner = ["URN:UVCI:01:AT:a/b#c", chance.choice((0, 1, 2, 9, -1))]
    return {name: inner}


def value(chance: random.Random, depth: int) -> Any:
    plain = [None, True, False, 0, 1, -1, 30.0, 1.5, 2**53 - 1, 2**53, "", "a", "1"]
    if depth and chance.random() < 0.4:
        items = [value(chance, depth - 1) for _ in range(chance.randrange(3))]
        return chance.choice(
            (items, dict(zip(("b", "length", "__proto__"), items, strict=False)))
        )
    return chance.choice(plain)


def text(chance: random.Random) -> str:
    return chance.choice(
        (
            "2020-02-29", "2020-02-30", "2020-02", "2020", "0000-01-01", "0001-01-01T00:00:00Z",
            "2021-03-31T23:59:59.9999+02:00", "2021-03-31T23:59:59-2", "2021-12-31T24:00:00Z",
            "9999-12-31T23:00:00-02:00", "2021-13", "2021-6", "1923-01-01T00:00:00+0530", "x",
        )
    )  # fmt: skip
