"""Who counts as a contact, as data of a policy: the member `contacts` of its document.

A document without it has the rules that come with twinstile (`conveyances.json`). What cannot
be applied is refused when the document is read: every rule says why in both languages, and
whatever a run is taken for has a rule that finds close contacts.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twinstile.policy.types import ContactClass, ContactRule, ContactRules, Conveyance, Zone

LANGUAGES: Final = ("en", "zh-CN")
MODES: Final = frozenset({"RAIL", "AIR", "SEA", "ROAD"})
_WITH_REACH: Final = frozenset({Zone.ROWS, Zone.BAYS, Zone.GATE})
_ANYWHERE: Final = frozenset({Zone.PARTY, Zone.GATE})
"""Zones that do not depend on what people were aboard of."""
_Said = Annotated[str, Field(min_length=1, max_length=200)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Rule(_Model):
    id: str = Field(pattern=r"^[A-Z][A-Z0-9-]{1,40}$")
    conveyances: frozenset[Annotated[Conveyance, Field(strict=False)]] = Field(
        default=frozenset(), strict=False
    )
    zone: Zone = Field(strict=False)
    reach: int = Field(default=0, ge=0, le=60)
    contact_class: ContactClass = Field(alias="class", strict=False)
    weight: int = Field(ge=1, le=100)
    text: Annotated[dict[str, _Said], Field(max_length=20)]

    @model_validator(mode="after")
    def _is_plain(self) -> Self:
        if missing := [one for one in LANGUAGES if not self.text.get(one, "").strip()]:
            raise ValueError(f"{self.id}: no text in {', '.join(missing)}")
        if (self.reach > 0) is not (self.zone in _WITH_REACH):
            raise ValueError(f"{self.id}: rows, bays and minutes have a reach, others none")
        if bool(self.conveyances) is (self.zone in _ANYWHERE):
            raise ValueError(f"{self.id}: what is on board names its conveyances, others none")
        return self


class Section(_Model):
    version: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,60}$")
    sources: Annotated[list[_Said], Field(max_length=20)] = []
    by_mode: dict[str, Annotated[Conveyance, Field(strict=False)]]
    berth_numbers: int = Field(ge=1, le=12)
    bay_seats: int = Field(ge=1, le=20)
    rules: list[_Rule] = Field(min_length=1, max_length=60)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        names = [rule.id for rule in self.rules]
        if len(set(names)) != len(names):
            raise ValueError("two rules have the same id")
        if frozenset(self.by_mode) != MODES:
            raise ValueError(f"by_mode has exactly {', '.join(sorted(MODES))}")
        close = [rule for rule in self.rules if rule.contact_class is ContactClass.CLOSE]
        covered = {conveyance for rule in close for conveyance in rule.conveyances}
        if without := sorted(set(self.by_mode.values()) - covered):
            raise ValueError(f"no rule finds close contacts in {', '.join(without)}")
        return self


@cache
def shipped() -> Section:
    """The rules that come with twinstile."""
    source = files("twinstile.policy") / "conveyances.json"
    return Section.model_validate(json.loads(source.read_text("utf-8")))


def compiled(section: Section) -> ContactRules:
    """The same, ready to find contacts by."""
    rules = (
        ContactRule(
            rule.id,
            rule.zone,
            rule.conveyances,
            rule.reach,
            rule.contact_class,
            rule.weight,
            rule.text,
        )
        for rule in section.rules
    )
    return ContactRules(
        section.version,
        section.by_mode,
        section.berth_numbers,
        section.bay_seats,
        tuple(rules),
    )
