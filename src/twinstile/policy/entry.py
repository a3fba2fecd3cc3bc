"""Entry rules of a country: what a certificate must hold, in the same language as hub policies.

Facts are those of EU entry rules: `payload` is the certificate's content, `external` holds what
the verifier knows (`validationClock`, value sets). Every rule must evaluate to true; one that
cannot be evaluated is not met. Source: eu-dcc-business-rules, `documentation/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twinstile.policy import certlogic
from twinstile.policy.certlogic import CertLogicError, Json, OperandError, Rule, Value
from twinstile.policy.documents import PolicyError


class _EntryRule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[A-Z][A-Z0-9-]{1,40}$")
    accepts: object
    text: Annotated[dict[str, str], Field(min_length=1, max_length=20)]


class _EntryDocument(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    entry: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{1,40}$")
    version: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,60}$")
    title: Annotated[dict[str, str], Field(min_length=1, max_length=20)]
    rules: list[_EntryRule] = Field(min_length=1, max_length=100)


@dataclass(frozen=True, slots=True)
class EntryRule:
    rule_id: str
    accepts: Rule
    text: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class EntryPolicy:
    """The entry rules of a country, ready to judge certificates by."""

    version: str
    rules: tuple[EntryRule, ...]

    def unmet(
        self, payload: Json, at: datetime, external: Mapping[str, Json]
    ) -> tuple[EntryRule, ...]:
        """The rules a certificate does not meet at that moment; none: it is accepted."""
        facts = {
            "payload": payload,
            "external": {**external, "validationClock": at.isoformat()},
        }
        return tuple(rule for rule in self.rules if not _met(rule.accepts, facts))


def _met(accepts: Rule, facts: Value) -> bool:
    try:
        return accepts(facts) is True
    except OperandError:
        return False


def compile_entry(document: Mapping[str, object]) -> EntryPolicy:
    """The entry policy a document describes. Raises `PolicyError`."""
    try:
        parsed = _EntryDocument.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = "/".join(str(part) for part in first["loc"])
        raise PolicyError(f"{place}: {first['msg']}") from None
    return EntryPolicy(parsed.version, tuple(map(_compiled, parsed.rules)))


def _compiled(rule: _EntryRule) -> EntryRule:
    try:
        accepts = certlogic.compile_rule(cast("Json", rule.accepts))
    except CertLogicError as error:
        raise PolicyError(f"rule {rule.id}: {error}") from error
    return EntryRule(rule.id, accepts, rule.text)
