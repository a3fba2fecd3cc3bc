"""A policy document as JSON: judged, then compiled once into a `HubPolicy`."""

import json
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Annotated, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twinstile.policy import certlogic
from twinstile.policy.certlogic import CertLogicError, Json, OperandError, Value
from twinstile.policy.types import HubPolicy, Parameters, PolicyRule, PolicyVersion

Tenths = Annotated[int, Field(ge=300, le=450)]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,40}$")]
MAX_RULES = 200


class PolicyError(Exception):
    """The document is no policy; the message names the place and the fault."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


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


class _Rule(_Model):
    id: str = Field(pattern=r"^[A-Z][A-Z0-9-]{1,40}$")
    when: object
    outcome: Literal["PASS_WITH_CONDITIONS", "REPEAT", "ASSIST", "SECONDARY", "RETURN", "HOLD"]
    code: Code
    text: dict[str, str] = Field(min_length=1)


class _Document(_Model):
    policy: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{1,40}$")
    version: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,60}$")
    title: dict[str, str] = Field(min_length=1)
    parameters: _Parameters
    rules: list[_Rule] = Field(min_length=1, max_length=MAX_RULES)


def pack(name: str) -> dict[str, object]:
    """A policy document that comes with twinstile. Raises `PolicyError` for an unknown name."""
    source = files("twinstile.policy") / "packs" / f"{name}.json"
    if not name.replace("-", "").isalnum() or not source.is_file():
        raise PolicyError(f"there is no policy pack {name!r}")
    return cast("dict[str, object]", json.loads(source.read_text("utf-8")))


def compile_document(document: Mapping[str, object]) -> HubPolicy:
    """The policy a document describes. Raises `PolicyError`."""
    try:
        parsed = _Document.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = "/".join(str(part) for part in first["loc"])
        raise PolicyError(f"{place}: {first['msg']}") from None
    names = [rule.id for rule in parsed.rules]
    if len(set(names)) != len(names):
        raise PolicyError("rules: two rules have the same id")
    figures = dict(parsed.parameters)
    figures["contact_methods"] = frozenset(parsed.parameters.contact_methods)
    return HubPolicy(
        PolicyVersion(parsed.version),
        Parameters(**figures),
        tuple(_compiled(rule) for rule in parsed.rules),
    )


def _compiled(rule: _Rule) -> PolicyRule:
    try:
        evaluate = certlogic.compile_rule(cast("Json", rule.when))
    except CertLogicError as error:
        raise PolicyError(f"rule {rule.id}: {error}") from error
    return PolicyRule(rule.id, rule.outcome, rule.code, rule.text, _holds(evaluate))


def _holds(evaluate: Callable[[Value], Value]) -> Callable[[Mapping[str, object]], bool]:
    """Whether the rule applies; one that cannot be evaluated applies, it never lets pass."""

    def holds(facts: Mapping[str, object]) -> bool:
        try:
            return evaluate(cast("Value", facts)) is True
        except OperandError:
            return True

    return holds
