"""Entry rules of a country: what a certificate must hold, in the same language as hub policies.

Facts are those of EU entry rules: `payload` is the certificate's content, `external` holds what
the verifier knows (`validationClock`, and the `valueSets` of the document). Every rule must
evaluate to true; one that cannot be evaluated is not met. Source: eu-dcc-business-rules,
`documentation/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from twinstile.platform.http import field_types
from twinstile.policy import certlogic
from twinstile.policy.certlogic import CertLogicError, Json, OperandError, Rule, Value
from twinstile.policy.documents import PolicyError


class _EntryRule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[A-Z][A-Z0-9-]{1,40}$")
    accepts: object
    text: Annotated[dict[str, str], Field(min_length=1, max_length=20)]


_Set = Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=5000)]


class _EntryDocument(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    entry: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{1,40}$")
    version: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,60}$")
    country: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    title: Annotated[dict[str, str], Field(min_length=1, max_length=20)]
    valid_from: date | None = None
    valid_until: date | None = None
    value_sets: Annotated[dict[str, _Set], Field(max_length=20)] = {}
    rules: list[_EntryRule] = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if len({rule.id for rule in self.rules}) != len(self.rules):
            raise ValueError("two rules have the same id")
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise ValueError("rules hold from a day until the same or a later one")
        return self


@dataclass(frozen=True, slots=True)
class EntryRule:
    rule_id: str
    accepts: Rule
    text: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class EntryPolicy:
    """The entry rules of a country, ready to judge certificates by."""

    name: str
    version: str
    country: str | None
    """ISO 3166, three letters; None: of no country alone."""
    title: Mapping[str, str]
    valid_from: date | None
    valid_until: date | None
    """The last day; None: open."""
    value_sets: Mapping[str, Json]
    rules: tuple[EntryRule, ...]
    document: Mapping[str, object]

    def holds(self, day: date) -> bool:
        """Whether these are the rules of that day."""
        return (self.valid_from or day) <= day <= (self.valid_until or day)

    def unmet(self, payload: Json, at: datetime) -> tuple[EntryRule, ...]:
        """The rules a certificate does not meet at that moment; none: it is accepted."""
        facts = self.facts(payload, at)
        return tuple(rule for rule in self.rules if not met(rule.accepts, facts))

    def facts(self, payload: Json, at: datetime) -> Value:
        """What the rules speak about."""
        external: dict[str, Json] = {"validationClock": at.isoformat()}
        return {"payload": payload, "external": external | {"valueSets": {**self.value_sets}}}


def worded(text: Mapping[str, str], accepted: str) -> str:
    """The words in the first language of an Accept-Language that there is, else in English."""
    wanted = (part.partition(";")[0].strip().lower() for part in accepted.split(","))
    for tag in wanted:
        for language, said in text.items():
            if tag and tag.split("-")[0] == language.lower().split("-")[0]:
                return said
    return text.get("en") or next(iter(text.values()))


def met(accepts: Rule, facts: Value) -> bool:
    """Whether a rule is met; one that cannot be evaluated is not."""
    try:
        return accepts(facts) is True
    except OperandError:
        return False


def compile_entry(document: Mapping[str, object]) -> EntryPolicy:
    """The entry policy a document describes. Raises `PolicyError`."""
    try:
        parsed = _EntryDocument.model_validate(document)
    except ValidationError as error:
        raise PolicyError(field_types.fault(error)) from None
    return EntryPolicy(
        parsed.entry,
        parsed.version,
        parsed.country,
        parsed.title,
        parsed.valid_from,
        parsed.valid_until,
        {name: list[Json](members) for name, members in parsed.value_sets.items()},
        tuple(map(_compiled, parsed.rules)),
        document,
    )


def _compiled(rule: _EntryRule) -> EntryRule:
    try:
        accepts = certlogic.compile_rule(cast("Json", rule.accepts))
    except CertLogicError as error:
        raise PolicyError(f"rule {rule.id}: {error}") from error
    return EntryRule(rule.id, accepts, rule.text)
