"""A policy document as JSON: judged, then compiled once into a `HubPolicy`."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from importlib.resources import files
from typing import Annotated, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from twinstile.platform.http import field_types
from twinstile.policy import areas, certlogic, contact_criteria
from twinstile.policy.areas import KeyArea, Level
from twinstile.policy.certlogic import CertLogicError, Json, OperandError, Value
from twinstile.policy.types import (
    Alternative,
    AlternativeOffer,
    HubPolicy,
    Isolation,
    Measure,
    MeasureAnchor,
    MeasureKind,
    Parameters,
    PolicyRule,
    PolicyVersion,
    Transit,
)

Tenths = Annotated[int, Field(ge=300, le=450)]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,40}$")]
Named = Annotated[str, Field(pattern=r"^[A-Z][A-Z_]{1,40}$")]
AreaCode = Annotated[str, Field(pattern=areas.PATTERN)]
DayOf = Annotated[int, Field(ge=0, le=60)]
Texts = Annotated[dict[str, str], Field(min_length=1, max_length=20)]
Concluded = Literal[
    "PASS_WITH_CONDITIONS", "DEFER", "WAIT", "REPEAT", "ASSIST", "SECONDARY", "RETURN", "HOLD"
]
MAX_RULES = 200
MAX_AREAS = 1000


class PolicyError(Exception):
    """The document is no policy; the message names the place and the fault."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Isolation(_Model):
    days: DayOf
    test_days: tuple[DayOf, ...] = Field(default=(), max_length=20, strict=False)

    @model_validator(mode="after")
    def _tests_within(self) -> Self:
        if any(day > self.days for day in self.test_days):
            raise ValueError("nobody is tested after the last day")
        return self


_ISOLATION = {
    "CENTRAL_ISOLATION": _Isolation(days=14, test_days=(1, 3, 7, 13)),
    "HOME_ISOLATION": _Isolation(days=14, test_days=(1, 7, 13)),
    "HEALTH_MONITORING": _Isolation(days=7),
    "PUBLIC_HEALTH_OBSERVATION": _Isolation(days=14),
}


class _Parameters(_Model):
    threshold_tenths: Tenths
    invalid_below_tenths: Tenths
    confirm_methods: int = Field(ge=1, le=3)
    error_tenths: dict[str, Annotated[int, Field(ge=0, le=20)]]
    contact_methods: list[str]
    passage_minutes: int = Field(ge=1, le=2880)
    hold_window_hours: int = Field(ge=1, le=336)
    duplicate_seconds: int = Field(ge=1, le=3600)
    reminder_minutes: int = Field(ge=1, le=1440)
    retention_days: int = Field(ge=1, le=60)
    case_retention_days: int = Field(default=60, ge=1, le=1095)
    complete: tuple[int, int, int] = Field(strict=False)
    deadline_seconds: dict[str, Annotated[int, Field(ge=1, le=604800)]]
    reuse_minutes: int = Field(default=0, ge=0, le=1440)
    transit: Transit = Field(default=Transit.ALLOWED, strict=False)
    refusal_alternatives: tuple[Annotated[AlternativeOffer, Field(strict=False)], ...] = Field(
        default=(
            AlternativeOffer.OTHER_DEVICE,
            AlternativeOffer.SELF_MEASURED_UNDER_VIEW,
            AlternativeOffer.SAME_SEX_STAFF,
        ),
        max_length=10,
        strict=False,
    )
    party: bool = True
    replay_hours: int = Field(default=72, ge=1, le=720)
    remind_hours: int = Field(default=24, ge=0, le=72)
    remind_again_minutes: int = Field(default=30, ge=0, le=240)
    isolation: dict[
        Literal[
            "CENTRAL_ISOLATION",
            "HOME_ISOLATION",
            "HEALTH_MONITORING",
            "PUBLIC_HEALTH_OBSERVATION",
        ],
        _Isolation,
    ] = {}
    lost_after_attempts: int = Field(default=3, ge=1, le=20)
    lost_apart_hours: int = Field(default=4, ge=0, le=168)


class _Measure(_Model):
    kind: MeasureKind = Field(strict=False)
    days: DayOf | None = None
    anchor: MeasureAnchor | None = Field(default=None, strict=False)
    test_days: tuple[DayOf, ...] = Field(default=(), max_length=20, strict=False)
    within_hours: int | None = Field(default=None, ge=1, le=336)
    mode: Named | None = None


class _Alternative(_Model):
    outcome: Concluded
    measures: tuple[_Measure, ...] = Field(default=(), max_length=8, strict=False)
    text: Texts


class _Area(_Model):
    code: AreaCode
    level: Literal["LOW", "CASES", "MEDIUM", "HIGH"]
    since: date = Field(alias="from", strict=False)
    until: date = Field(strict=False)

    @model_validator(mode="after")
    def _is_exact(self) -> Self:
        if self.until < self.since:
            raise ValueError("an area is listed from a day until the same or a later one")
        exact = len(areas.normal(self.code)) >= 6 or self.code.isalpha()
        if self.level in {"MEDIUM", "HIGH"} and not exact:
            raise ValueError("a level of risk is declared of counties, streets and countries")
        return self


class _Rule(_Model):
    id: str = Field(pattern=r"^[A-Z][A-Z0-9-]{1,40}$")
    when: object
    outcome: Concluded
    code: Code
    text: Texts
    measures: tuple[_Measure, ...] = Field(default=(), max_length=8, strict=False)
    alternatives: tuple[_Alternative, ...] = Field(default=(), max_length=4, strict=False)
    discretion: bool = False


class _Document(_Model):
    policy: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{1,40}$")
    version: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,60}$")
    title: Texts
    parameters: _Parameters
    home: list[AreaCode] = Field(default=[], max_length=8)
    areas: list[_Area] = Field(default=[], max_length=MAX_AREAS)
    rules: list[_Rule] = Field(min_length=1, max_length=MAX_RULES)
    contacts: contact_criteria.Section = Field(default_factory=contact_criteria.shipped)


def pack(name: str) -> dict[str, object]:
    """A policy document that comes with twinstile. Raises `PolicyError` for an unknown name.

    A pack may say only what it changes of its `base`: figures and members of its own, rules it
    adds, rules it does `without`. What a hub stores is always the whole document.
    """
    own = read_pack(name)
    base = own.pop("base", None)
    if base is None:
        return own
    whole = pack(str(base))
    without = cast("list[str]", own.pop("without", []))
    rules = [rule for rule in _members(whole, "rules") if rule["id"] not in without]
    figures = {**_member(whole, "parameters"), **_member(own, "parameters")}
    added = _members(own, "rules")
    return {**whole, **own, "parameters": figures, "rules": [*rules, *added]}


def read_pack(name: str) -> dict[str, object]:
    """The file of a pack as it is. Raises `PolicyError`."""
    source = files("twinstile.policy") / "packs" / f"{name}.json"
    if not name.replace("-", "").isalnum() or not source.is_file():
        raise PolicyError(f"there is no policy pack {name!r}")
    return cast("dict[str, object]", json.loads(source.read_text("utf-8")))


def _member(document: Mapping[str, object], name: str) -> dict[str, object]:
    return cast("dict[str, object]", document.get(name, {}))


def _members(document: Mapping[str, object], name: str) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", document.get(name, []))


def compile_document(document: Mapping[str, object]) -> HubPolicy:
    """The policy a document describes. Raises `PolicyError`."""
    try:
        parsed = _Document.model_validate(document)
    except ValidationError as error:
        raise PolicyError(field_types.fault(error)) from None
    names = [rule.id for rule in parsed.rules]
    if len(set(names)) != len(names):
        raise PolicyError("rules: two rules have the same id")
    figures = dict(parsed.parameters)
    figures["contact_methods"] = frozenset(parsed.parameters.contact_methods)
    figures["isolation"] = {
        code: Isolation(one.days, one.test_days)
        for code, one in {**_ISOLATION, **parsed.parameters.isolation}.items()
    }
    return HubPolicy(
        PolicyVersion(parsed.version),
        Parameters(**figures),
        tuple(_compiled(rule) for rule in parsed.rules),
        contact_criteria.compiled(parsed.contacts),
        areas.compiled(
            parsed.home,
            [KeyArea(a.code, Level(a.level), a.since, a.until) for a in parsed.areas],
        ),
    )


def _compiled(rule: _Rule) -> PolicyRule:
    try:
        evaluate = certlogic.compile_rule(cast("Json", rule.when))
    except CertLogicError as error:
        raise PolicyError(f"rule {rule.id}: {error}") from error
    return PolicyRule(
        rule.id,
        rule.outcome,
        rule.code,
        rule.text,
        _holds(evaluate),
        _measures(rule.measures),
        tuple(Alternative(a.outcome, _measures(a.measures), a.text) for a in rule.alternatives),
        rule.discretion,
    )


def _measures(measures: Sequence[_Measure]) -> tuple[Measure, ...]:
    return tuple(Measure(**dict(measure)) for measure in measures)


def _holds(evaluate: Callable[[Value], Value]) -> Callable[[Mapping[str, object]], bool]:
    """Whether the rule applies; one that cannot be evaluated applies, it never lets pass."""

    def holds(facts: Mapping[str, object]) -> bool:
        try:
            return evaluate(cast("Value", facts)) is True
        except OperandError:
            return True

    return holds
