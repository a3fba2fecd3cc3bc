"""The validator: shipped policies stand, planted faults are found with rule and remedy."""

import json
import re
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import cast

import pytest
from typer.testing import CliRunner

from twinstile.cli import main
from twinstile.credentials.types import CredentialStatus
from twinstile.identity.types import IdentityResult
from twinstile.platform.ops.state_machine import DeadlineAnchor
from twinstile.policy import documents, validation_messages, validator, vocabulary
from twinstile.screening import machine, rules
from twinstile.screening.claim_words import SampleResult, Symptom
from twinstile.screening.evidence import NONE, Evidence
from twinstile.screening.rules import CoarseContext
from twinstile.screening.types import Category, LaneDirection, Outcome, PartyRole

TODAY = date(2022, 4, 12)
HUB = documents.pack("cn-hub")
PACKS = sorted(
    path.stem
    for path in (Path(documents.__file__).parent / "packs").glob("*.json")
    if not path.stem.startswith("entry-")
)
Json = dict[str, object]


def planted(change: Callable[[Json], object], base: str = "cn-hub") -> Json:
    document = deepcopy(documents.pack(base))
    change(document)
    return document


def rule_of(document: Json, rule_id: str) -> Json:
    rules_ = cast("list[Json]", document["rules"])
    return next(rule for rule in rules_ if rule["id"] == rule_id)


def with_rule(when: object, outcome: str, **more: object) -> Callable[[Json], object]:
    text = {"en": "planted", "zh-CN": "测试"}
    rule = {"id": "PLANTED", "when": when, "outcome": outcome, "code": "planted", "text": text}
    return lambda document: cast("list[Json]", document["rules"]).append({**rule, **more})


def figure(name: str, value: object) -> Callable[[Json], object]:
    return lambda document: cast("Json", document["parameters"]).__setitem__(name, value)


def no_deadline(state: str) -> Callable[[Json], object]:
    def change(document: Json) -> None:
        del cast("dict[str, Json]", document["parameters"])["deadline_seconds"][state]

    return change


def var(path: str) -> Json:
    return {"var": path}


def equals(path: str, value: object) -> Json:
    return {"===": [var(path), value]}


def codeless(*statuses: str) -> Json:
    return {"in": [var("credential.status"), list(statuses)]}


def without_help(document: Json) -> None:
    rule_of(document, "CRED-ASSIST")["outcome"] = "SECONDARY"


def untranslated(document: Json) -> None:
    del cast("Json", rule_of(document, "ILLNESS")["text"])["zh-CN"]


def over(document: Json) -> None:
    document["home"] = ["610113"]
    listed = {"code": "310115", "level": "HIGH", "from": "2022-03-01", "until": "2022-04-11"}
    document["areas"] = [listed]


def without(*rule_ids: str) -> Callable[[Json], object]:
    def change(document: Json) -> None:
        rules_ = cast("list[Json]", document["rules"])
        document["rules"] = [rule for rule in rules_ if rule["id"] not in rule_ids]

    return change


def exempt(rule_id: str, *unless: Json) -> Callable[[Json], object]:
    def change(document: Json) -> None:
        rule = rule_of(document, rule_id)
        rule["when"] = {"and": [rule["when"], *({"!": [one]} for one in unless)]}

    return change


HOME = {"kind": "HOME_ISOLATION", "anchor": "LEFT_AREA"}
RISK = {"in": [var("area.county"), ["MEDIUM", "HIGH"]]}
STARRED_OR_CODELESS = {
    "!": [{"and": [{"!": [var("itinerary.starred")]}, {"!": [codeless("NOT_FOUND")]}]}]
}
BAD = [
    ("code-alone", "PLANTED", with_rule(codeless("NOT_PRESENTED"), "RETURN")),
    ("code-alone", "PLANTED", with_rule(codeless("RED", "UNAVAILABLE"), "HOLD")),
    ("code-alone", "PLANTED", with_rule(STARRED_OR_CODELESS, "RETURN")),
    (
        "code-alone",
        "PLANTED",
        with_rule(
            {"and": [codeless("STALE"), equals("itinerary.origin", "OTHER_PROVINCE")]}, "RETURN"
        ),
    ),
    ("never-applies", "PLANTED", with_rule(equals("identity.result", "WRONG"), "SECONDARY")),
    (
        "never-applies",
        "PLANTED",
        with_rule({"and": [equals("category", "CREW"), equals("category", "STAFF")]}, "ASSIST"),
    ),
    (
        "never-applies",
        "PLANTED",
        with_rule({"in": ["COUGHING", var("declaration.symptoms")]}, "SECONDARY"),
    ),
    ("always-applies", "PLANTED", with_rule({"!": [equals("category", "GUEST")]}, "ASSIST")),
    ("contradicts", "PLANTED", with_rule({"!": [{"!": [var("illness")]}]}, "HOLD")),
    (
        "cannot-be-evaluated",
        "PLANTED",
        with_rule({">": [var("temperature.latest"), 380]}, "SECONDARY"),
    ),
    ("unknown-fact", "PLANTED", with_rule(equals("vaccination.doses", 3), "ASSIST")),
    ("nobody-passes", "PLANTED", with_rule(equals("credential.status", "GREEN"), "SECONDARY")),
    ("nobody-helps", None, without_help),
    ("sign-ignored", None, without("TEMP-ALARM", "TEMP-CONFIRMED")),
    ("sign-ignored", None, exempt("TEMP-ALARM", equals("state", "SECONDARY"))),
    ("sign-ignored", None, exempt("TEMP-ALARM", equals("category", "DIPLOMAT"))),
    ("sign-ignored", None, without("CRED-FLAG")),
    ("sign-ignored", None, without("PRIOR-HOLD")),
    ("sign-ignored", None, exempt("ILLNESS", equals("category", "CREW"))),
    ("threshold-implausible", None, figure("threshold_tenths", 400)),
    ("threshold-implausible", None, figure("threshold_tenths", 364)),
    ("threshold-invalid", None, figure("invalid_below_tenths", 373)),
    ("deadline-missing", None, no_deadline("HELD")),
    ("deferral-without-end", None, no_deadline("DEFERRED")),
    ("isolation-without-end", "PLANTED", with_rule(RISK, "SECONDARY", measures=[HOME])),
    (
        "isolation-without-end",
        "PLANTED",
        with_rule(
            RISK,
            "RETURN",
            alternatives=[
                {
                    "outcome": "SECONDARY",
                    "text": {"en": "or", "zh-CN": "或"},
                    "measures": [{"kind": "CENTRAL_ISOLATION", "days": 14}],
                }
            ],
        ),
    ),
    ("areas-expired", None, over),
    ("home-missing", None, lambda d: (over(d), d.__setitem__("home", []))),
    ("language-missing", "ILLNESS", untranslated),
    ("too-long", None, lambda d: d.__setitem__("title", {"en": "x" * 1001, "zh-CN": "规"})),
    ("title-missing", None, lambda d: d.__setitem__("title", {"zh-CN": "规程"})),
    ("unreadable", None, figure("threshold_tenths", "37.3")),
]


@pytest.mark.parametrize("name", PACKS)
def test_nothing_speaks_against_what_is_shipped(name: str) -> None:
    assert validator.judge(documents.pack(name), TODAY) == []


@pytest.mark.parametrize(
    ("code", "rule_id", "change"), BAD, ids=[f"{n} {code}" for n, (code, *_) in enumerate(BAD)]
)
def test_a_planted_fault_is_found_and_named(
    code: str, rule_id: str | None, change: Callable[[Json], object]
) -> None:
    found = validator.judge(planted(change), TODAY)
    assert (code, rule_id) in [(finding.code, finding.rule_id) for finding in found]
    for finding in found:
        for words in (finding.text, finding.remedy):
            assert set(words) == {"en", "zh-CN"}
            assert not any("{" in said for said in words.values())
        if finding.rule_id:
            assert all(finding.rule_id in said for said in finding.text.values())


def test_every_word_has_a_planted_fault_or_is_a_bound() -> None:
    elsewhere = {code for code in validation_messages.WORDS if code.startswith("entry-")}
    assert {code for code, *_ in BAD} | {"too-complicated"} | elsewhere == set(
        validation_messages.WORDS
    )


def test_a_policy_that_would_keep_a_gate_busy_is_refused_unread() -> None:
    """By what it would take, not by trying it: gates wait for the same processor."""
    heavy: Json = {
        "reduce": [list(range(90)), {"+": [var("accumulator"), var("current")]}, 0],
    }
    change = [with_rule({"===": [heavy, n]}, "SECONDARY") for n in range(100)]
    document = planted(lambda d: [one(d) for one in change])
    for n, rule in enumerate(cast("list[Json]", document["rules"])):
        rule["id"] = f"R-{n}"
    began = time.process_time()
    assert [f.code for f in validator.judge(document, TODAY)] == ["too-long"]
    assert time.process_time() - began < 2


def test_one_rule_has_no_more_tries_than_it_has_steps() -> None:
    reads = [equals(path, "X") for path in ("category", "credential.status", "test.result")]
    heavy: Json = {
        "reduce": [list(range(90)), {"+": [var("accumulator"), var("current")]}, 0],
    }
    whole = {"and": [*reads, *({"===": [heavy, n]} for n in range(20))]}
    began = time.process_time()
    found = validator.judge(planted(with_rule(whole, "SECONDARY")), TODAY)
    assert "too-complicated" in [f.code for f in found]
    assert time.process_time() - began < 5


def test_chinese_words_are_chinese() -> None:
    for text, remedy in validation_messages.WORDS.values():
        assert all(re.search("[一-鿿]", words["zh-CN"]) for words in (text, remedy))


@pytest.mark.parametrize(
    "change",
    [
        with_rule({"and": [codeless("NOT_PRESENTED"), var("illness")]}, "RETURN"),
        with_rule({"and": [codeless("RED"), equals("test.result", "POSITIVE")]}, "HOLD"),
        with_rule(
            {"and": [codeless("NOT_FOUND"), equals("category", "DIPLOMAT")]}, "SECONDARY"
        ),
    ],
)
def test_a_code_beside_another_finding_may_count(change: Callable[[Json], object]) -> None:
    assert "code-alone" not in [f.code for f in validator.judge(planted(change), TODAY)]


def test_a_list_is_not_over_on_its_last_day() -> None:
    document = documents.pack("shaanxi-2022-04-12-baoji")
    assert validator.judge(document, date(2022, 4, 30)) == []
    (found,) = validator.judge(document, date(2022, 5, 1))
    assert found.code == "areas-expired"


def test_the_vocabulary_is_what_the_screening_tells() -> None:
    def paths(facts: object, prefix: str = "") -> Iterator[str]:
        if isinstance(facts, dict):
            for name, value in facts.items():
                yield from paths(value, f"{prefix}.{name}" if prefix else name)
        else:
            yield prefix

    policy = documents.compile_document(HUB)
    told = rules.facts(machine.START, Evidence(), CoarseContext(), policy.parameters)
    groups = vocabulary.choices({**cast("dict[str, int]", told["parameters"])}, [], [])
    for of in groups.values():
        for choice in of:
            for name, value in choice.items():
                assert sorted(paths(value)) == sorted(paths(told[name]))
    assert {name for of in groups.values() for choice in of for name in choice} == set(told)


def test_the_vocabularys_words_are_those_of_the_code() -> None:
    groups = vocabulary.choices({"threshold_tenths": 373}, [], [])

    def words(group: str, *path: str) -> set[object]:
        found: set[object] = set()
        for choice in groups[group]:
            value: object = choice
            for key in path:
                value = cast("Json", value)[key]
            found.add(value)
        return found

    assert words("credential", "credential", "status") == {*CredentialStatus, NONE}
    assert words("identity", "identity", "result") == {*IdentityResult, NONE}
    assert words("category", "category") == set(Category)
    assert words("direction", "direction") == set(LaneDirection)
    assert words("party", "party", "role") == {*PartyRole, NONE}
    assert words("party", "party", "guardian") == {*CredentialStatus, NONE, "ABSENT"}
    assert words("test", "test", "result") == {*SampleResult, NONE}
    assert set(vocabulary.SYMPTOMS) == set(Symptom)
    assert list(vocabulary.OUTCOMES) == list(Outcome)
    timed = {
        s for s, limit in machine.DEADLINES.items() if limit.anchor is DeadlineAnchor.ENTERED
    }
    assert set(vocabulary.DEADLINES) == timed


def checked(tmp_path: Path, document: Json, *options: str) -> tuple[int, str]:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(document), "utf-8")
    ran = CliRunner().invoke(main.app, ["policy", "check", str(file), *options])
    return ran.exit_code, ran.stdout


def test_the_command_refuses_in_both_languages_and_says_what_to_do(tmp_path: Path) -> None:
    bad = planted(with_rule(codeless("NOT_PRESENTED"), "RETURN"))
    code, said = checked(tmp_path, bad)
    assert code == 1
    assert "PLANTED" in said
    assert "ASSIST" in said
    assert "健康码" in said
    code, said = checked(tmp_path, bad, "--json")
    assert (code, json.loads(said)["findings"][0]["code"]) == (1, "code-alone")
    assert checked(tmp_path, HUB)[0] == 0
    assert json.loads(checked(tmp_path, HUB, "--json")[1]) == {"well": True, "findings": []}
