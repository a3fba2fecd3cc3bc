"""Whether a policy may decide about people: judged by trying it out, told in words.

`judge` runs the rules over choices of facts that stand for all others (`vocabulary`). What it
finds names the rule and says what to do about it, in English and Chinese, for whoever signs
the policy; the API and `twinstile policy check` refuse a document with findings.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice, product
from math import prod
from typing import Final, cast

from twinstile.policy import certlogic, documents, validation_messages, vocabulary
from twinstile.policy.certlogic import Json, OperandError, Value
from twinstile.policy.documents import PolicyError
from twinstile.policy.types import HubPolicy, PolicyRule
from twinstile.policy.vocabulary import Choice

MAX_CIRCUMSTANCES: Final = 100_000
"""Combinations a rule is tried on; one that needs more is too complicated to sign."""
MAX_OUTCOMES: Final = 10_000
"""How often the whole policy is asked what it concludes."""
MAX_STEPS: Final = 10_000
"""Expressions the rules may visit for one decision; the largest policy shipped has 195."""
MAX_STEPS_TRIED: Final = 5_000_000
"""The same for all that is tried: a second or two."""
MAX_TEXT: Final = 1000
"""Characters of what a lane shows."""
MAX_FINDINGS: Final = 50
LANGUAGES: Final = ("en", "zh-CN")
THRESHOLDS: Final = (365, 385)
"""Tenths of °C between which a fever threshold was ever published."""
_CAUTION: Final = vocabulary.OUTCOMES.index


@dataclass(frozen=True, slots=True)
class PolicyFinding:
    """Why a policy must not take effect, and what to do about it, by language."""

    code: str
    rule_id: str | None
    text: Mapping[str, str]
    remedy: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Tried:
    """A rule with what it reads, and on which circumstances it holds."""

    rule: PolicyRule
    reads: frozenset[str]
    whole: bool
    """Whether these are all circumstances it can depend on."""
    circumstances: tuple[tuple[Choice, ...], ...]
    holds: tuple[bool | None, ...]
    """None: it could not be evaluated."""

    def signature(self) -> tuple[object, ...]:
        return (self.reads, self.holds)


@dataclass(frozen=True, slots=True)
class _Trial:
    """A document under trial."""

    policy: HubPolicy
    document: Mapping[str, object]
    today: date
    groups: Mapping[str, Sequence[Choice]]
    rules: tuple[_Tried, ...]
    tries: Iterator[int]
    """How often the whole policy may still be asked; it lasts for all rules together."""

    def outcome(self, *chosen: Choice) -> str:
        """What the whole policy concludes of somebody with nothing amiss but what is chosen."""
        applying = self.policy.applying(_merged([*_normal(self.groups), *chosen]))
        return max((rule.outcome for rule in applying), key=_CAUTION, default="PASS")


def judge(document: Mapping[str, object], today: date) -> list[PolicyFinding]:
    """What speaks against a policy; none: two people may put it in force."""
    try:
        policy = documents.compile_document(document)
    except PolicyError as error:
        return [finding("unreadable", None, reason=str(error))]
    if _is_too_long(document):
        return [finding("too-long", None, steps=MAX_STEPS, characters=MAX_TEXT)]
    trial = _trial(policy, document, today)
    found = (one for check in _CHECKS for one in check(trial))
    return list(islice(found, MAX_FINDINGS))


def _is_too_long(document: Mapping[str, object]) -> bool:
    """Whether deciding by it would take too long, or what it says is no line to read."""
    written = cast("Sequence[Mapping[str, Json]]", document["rules"])
    texts = [text for _, text in _texts(document)]
    return sum(certlogic.steps(rule["when"]) for rule in written) > MAX_STEPS or any(
        len(said) > MAX_TEXT for text in texts for said in text.values()
    )


def _texts(document: Mapping[str, object]) -> Iterator[tuple[str | None, Mapping[str, str]]]:
    """Everything a policy says to people, with the rule that says it."""
    yield None, cast("Mapping[str, str]", document["title"])
    for rule in cast("Sequence[Mapping[str, object]]", document["rules"]):
        alternatives = cast("Sequence[Mapping[str, object]]", rule.get("alternatives", ()))
        for one in (rule, *alternatives):
            yield str(rule["id"]), cast("Mapping[str, str]", one["text"])


def _trial(policy: HubPolicy, document: Mapping[str, object], today: date) -> _Trial:
    parameters = policy.parameters
    figures = {
        "threshold_tenths": parameters.threshold_tenths,
        "invalid_below_tenths": parameters.invalid_below_tenths,
        "confirm_methods": parameters.confirm_methods,
    }
    written = cast("Sequence[Mapping[str, Json]]", document["rules"])
    constants = [one for rule in written for one in literals(rule["when"])]
    numbers = [one for one in constants if isinstance(one, int) and not isinstance(one, bool)]
    words = [one for one in constants if isinstance(one, str)]
    groups = vocabulary.choices(figures, [*figures.values(), *numbers], words)
    paths = frozenset(_paths(_merged(_normal(groups))))
    lengths = [certlogic.steps(one["when"]) for one in written]
    tried: list[_Tried] = []
    left = MAX_STEPS_TRIED
    for rule, one, steps in zip(policy.rules, written, lengths, strict=True):
        tried.append(
            _try(rule, one["when"], groups, paths, min(MAX_CIRCUMSTANCES, left // steps))
        )
        left -= steps * len(tried[-1].holds)
    tries = iter(range(min(MAX_OUTCOMES, MAX_STEPS_TRIED // sum(lengths))))
    return _Trial(policy, document, today, groups, tuple(tried), tries)


def _try(
    rule: PolicyRule,
    when: Json,
    groups: Mapping[str, Sequence[Choice]],
    paths: frozenset[str],
    most: int,
) -> _Tried:
    reads = frozenset(reads_of(when))
    known = reads & paths
    used = [
        (name, found) for name, of in groups.items() if len(found := _telling(of, known)) > 1
    ]
    evaluate = certlogic.compile_rule(when)
    base = _merged(_normal(groups))
    circumstances: list[tuple[Choice, ...]] = []
    holds: list[bool | None] = []
    for chosen in islice(product(*(found for _, found in used)), most):
        circumstances.append(chosen)
        holds.append(_evaluated(evaluate, _merged([base, *chosen])))
    whole = len(holds) == prod(len(found) for _, found in used)
    return _Tried(rule, reads, whole, tuple(circumstances), tuple(holds))


def _evaluated(evaluate: Callable[[Value], Value], facts: Choice) -> bool | None:
    try:
        return evaluate(cast("Value", facts)) is True
    except OperandError:
        return None


def _telling(of: Sequence[Choice], reads: frozenset[str]) -> list[Choice]:
    """The choices of a group that differ in what is read; the first one stays the first."""
    kept: dict[str, Choice] = {}
    for choice in of:
        seen = {path: _value(choice, path) for path in sorted(reads)}
        kept.setdefault(repr(seen), choice)
    return list(kept.values())


def _normal(groups: Mapping[str, Sequence[Choice]]) -> list[Choice]:
    return [of[0] for of in groups.values()]


def _merged(chosen: Sequence[Choice]) -> dict[str, object]:
    return {name: value for choice in chosen for name, value in choice.items()}


def _value(facts: Mapping[str, object], path: str) -> object:
    value: object = facts
    for key in path.split("."):
        value = (
            cast("Mapping[str, object]", value).get(key) if isinstance(value, dict) else None
        )
    return value


def _paths(facts: Mapping[str, object]) -> Iterator[str]:
    for name, value in facts.items():
        if isinstance(value, dict):
            inner = cast("Mapping[str, object]", value)
            yield from (f"{name}.{path}" for path in _paths(inner))
        else:
            yield name


def reads_of(expression: Json, *, inside: bool = False) -> Iterator[str]:
    """The facts an expression reads; inside a `reduce` they are called `data`."""
    match expression:
        case {"var": str() as path}:
            if not inside:
                yield path
            elif path.startswith("data."):
                yield path.removeprefix("data.")
        case {"reduce": [items, step, first]}:
            yield from reads_of(items, inside=inside)
            yield from reads_of(step, inside=True)
            yield from reads_of(first, inside=inside)
        case dict():
            for operands in expression.values():
                yield from reads_of(operands, inside=inside)
        case list():
            for item in expression:
                yield from reads_of(item, inside=inside)
        case _:
            return


def literals(expression: Json) -> Iterator[Json]:
    match expression:
        case {"var": _}:
            return
        case dict():
            for operands in expression.values():
                yield from literals(operands)
        case list():
            for item in expression:
                yield from literals(item)
        case _:
            yield expression


def finding(code: str, rule_id: str | None, **particulars: object) -> PolicyFinding:
    words = {"rule": rule_id or "", **particulars}
    text, remedy = validation_messages.WORDS[code]
    return PolicyFinding(
        code,
        rule_id,
        {language: said.format(**words) for language, said in text.items()},
        {language: said.format(**words) for language, said in remedy.items()},
    )


def _facts_that_do_not_exist(trial: _Trial) -> Iterator[PolicyFinding]:
    facts = _merged(_normal(trial.groups))
    paths = set(_paths(facts)) | set(facts)
    for tried in trial.rules:
        for path in sorted(tried.reads - paths):
            yield finding("unknown-fact", tried.rule.rule_id, fact=path)


def _rules_that_say_nothing(trial: _Trial) -> Iterator[PolicyFinding]:
    """Rules that never hold, hold of everybody, or cannot be evaluated."""
    for tried in trial.rules:
        strict = _CAUTION(tried.rule.outcome) > _CAUTION("PASS_WITH_CONDITIONS")
        if not tried.whole:
            yield finding("too-complicated", tried.rule.rule_id)
        elif None in tried.holds:
            yield finding("cannot-be-evaluated", tried.rule.rule_id)
        elif not any(tried.holds):
            yield finding("never-applies", tried.rule.rule_id)
        elif all(tried.holds) and strict:
            yield finding("always-applies", tried.rule.rule_id)


def _rules_that_contradict(trial: _Trial) -> Iterator[PolicyFinding]:
    """Rules about exactly the same travellers that conclude different things."""
    first: dict[tuple[object, ...], PolicyRule] = {}
    for tried in trial.rules:
        rule = tried.rule
        other = first.setdefault(tried.signature(), rule)
        if other.outcome != rule.outcome and any(tried.holds):
            yield finding("contradicts", rule.rule_id, other=other.rule_id)


def _code_as_the_only_reason(trial: _Trial) -> Iterator[PolicyFinding]:
    """Rules that turn somebody away whom the same policy lets go on with a green code."""
    green = trial.groups["credential"][0]
    for tried in trial.rules:
        grave = _CAUTION(tried.rule.outcome) >= _CAUTION("RETURN")
        if not grave or "credential.status" not in tried.reads:
            continue
        for status in vocabulary.MISSING:
            lets_go = (
                _CAUTION(trial.outcome(*chosen, green)) < _CAUTION("SECONDARY")
                for _, chosen in zip(trial.tries, _holding(tried, status), strict=False)
            )
            if any(lets_go):
                yield finding("code-alone", tried.rule.rule_id, status=status)
                break
        if next(trial.tries, None) is None:
            yield finding("too-complicated", tried.rule.rule_id)
            break


def _holding(tried: _Tried, status: str) -> Iterator[tuple[Choice, ...]]:
    for chosen, holds in zip(tried.circumstances, tried.holds, strict=True):
        if holds is not False and _value(_merged(chosen), "credential.status") == status:
            yield chosen


def _ways_that_must_be_open(trial: _Trial) -> Iterator[PolicyFinding]:
    if _CAUTION(trial.outcome()) > _CAUTION("PASS_WITH_CONDITIONS"):
        rules = trial.policy.applying(_merged(_normal(trial.groups)))
        yield finding("nobody-passes", rules[0].rule_id)
    helped = (
        trial.outcome(*chosen) == "ASSIST"
        for tried in trial.rules
        if tried.rule.outcome == "ASSIST"
        for chosen, holds in zip(tried.circumstances, tried.holds, strict=True)
        if holds and next(trial.tries, None) is not None
    )
    if not any(helped):
        yield finding("nobody-helps", None)


def _signs_that_must_count(trial: _Trial) -> Iterator[PolicyFinding]:
    """Signs that let somebody pass, alone or beside anything else that is told of them."""
    beside = [choice for name, of in trial.groups.items() if name != "state" for choice in of]
    states = trial.groups["state"]
    for sign, shown in vocabulary.signs(trial.policy.parameters.threshold_tenths).items():
        # a recheck may clear what brought somebody to SECONDARY, but for a fever it shows again
        again = sign.startswith("FEVER")
        tried = [(s, shown) for s in states if again or s["state"] != "SECONDARY"]
        tried += [(choice, shown) for choice in beside if not choice.keys() & shown.keys()]
        passed = (
            _CAUTION(trial.outcome(*chosen)) <= _CAUTION("PASS_WITH_CONDITIONS")
            for _, chosen in zip(trial.tries, tried, strict=False)
        )
        if any(passed):
            yield finding("sign-ignored", None, sign=sign)
    if next(trial.tries, None) is None:
        yield finding("too-complicated", trial.rules[0].rule.rule_id)


def _figures(trial: _Trial) -> Iterator[PolicyFinding]:
    parameters = trial.policy.parameters
    threshold, least = parameters.threshold_tenths, parameters.invalid_below_tenths
    if not THRESHOLDS[0] <= threshold <= THRESHOLDS[1]:
        yield finding("threshold-implausible", None, threshold=threshold / 10)
    if threshold <= least:
        yield finding("threshold-invalid", None, threshold=threshold / 10, least=least / 10)
    for state in vocabulary.DEADLINES:
        if state not in parameters.deadline_seconds:
            code = "deferral-without-end" if state == "DEFERRED" else "deadline-missing"
            yield finding(code, None, state=state)


def _measures(trial: _Trial) -> Iterator[PolicyFinding]:
    for rule in trial.policy.rules:
        offered = [one for other in rule.alternatives for one in other.measures]
        for measure in (*rule.measures, *offered):
            lasts = measure.kind.endswith(("ISOLATION", "MONITORING"))
            if lasts and (measure.anchor is None or measure.days is None):
                yield finding("isolation-without-end", rule.rule_id, kind=measure.kind)


def _languages(trial: _Trial) -> Iterator[PolicyFinding]:
    for rule_id, text in _texts(trial.document):
        for language in LANGUAGES:
            if not text.get(language, "").strip():
                code = "language-missing" if rule_id else "title-missing"
                yield finding(code, rule_id, language=language)


def _areas(trial: _Trial) -> Iterator[PolicyFinding]:
    listed = trial.policy.areas.listed
    over = [area for area in listed if area.until < trial.today]
    if over:
        last = max(area.until for area in over)
        yield finding("areas-expired", None, count=len(over), last=last.isoformat())
    if listed and not trial.policy.areas.home:
        yield finding("home-missing", None)


_CHECKS: Final[Sequence[Callable[[_Trial], Iterator[PolicyFinding]]]] = (
    _code_as_the_only_reason,
    _signs_that_must_count,
    _ways_that_must_be_open,
    _figures,
    _facts_that_do_not_exist,
    _rules_that_say_nothing,
    _rules_that_contradict,
    _measures,
    _areas,
    _languages,
)
