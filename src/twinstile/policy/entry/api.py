"""HTTP: entry rules of countries, and whether a certificate meets them. None of it is kept."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Final, cast

from fastapi import APIRouter, Depends, Header, Request
from pydantic import AfterValidator, Field, JsonValue
from pydantic_core import PydanticCustomError

from twinstile.platform.http.field_types import Answer, Body, Document, Moment, Word
from twinstile.platform.http.problems import Conflict, NotFound, documented
from twinstile.platform.http.routes import GatedRoute, RuntimeDep, caller
from twinstile.platform.ops import clock
from twinstile.platform.security.auth import Principal, Scope
from twinstile.policy.entry.documents import EntryPolicy, worded

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["policies"])

MOST_LEVELS: Final = 8
MOST_VALUES: Final = 500
LONGEST: Final = 1000
"""Characters; a certificate as it is decoded has some sixty values and four levels."""


def _bounded(payload: dict[str, JsonValue]) -> dict[str, JsonValue]:
    level: list[JsonValue] = [payload]
    values = depth = 0
    while level:
        values, depth = values + len(level), depth + 1
        if values > MOST_VALUES or depth > MOST_LEVELS + 1:
            raise PydanticCustomError("too_long", "no certificate holds so much")
        if any(isinstance(one, str) and len(one) > LONGEST for one in level):
            raise PydanticCustomError("string_too_long", "no certificate holds so much")
        level = [inner for one in level for inner in _members(one)]
    return payload


def _members(value: JsonValue) -> list[JsonValue]:
    match value:
        case dict():
            return [*value, *value.values()]
        case list():
            return value
        case _:
            return []


async def _loaded(request: Request) -> Mapping[str, EntryPolicy]:
    return cast("Mapping[str, EntryPolicy]", request.app.state.entry_rules)


Loaded = Annotated[Mapping[str, EntryPolicy], Depends(_loaded)]
Reader = Annotated[Principal, caller(Scope.POLICIES_READ)]
Officer = Annotated[Principal, caller(Scope.CHECKS_WRITE)]


class EntryRulesNotInForce(Conflict):
    slug = "entry-rules-not-in-force"
    title = "These entry rules do not hold at that moment"


class EntrySummary(Answer):
    pack: str
    version: str
    country: str | None = Field(description="ISO 3166, three letters; null: of none alone")
    title: dict[str, str] = Field(description="by language")
    valid_from: date | None
    valid_until: date | None = Field(description="the last day, by the hub's clock; null: open")
    in_force: bool = Field(description="today")


class EntryList(Answer):
    packs: list[EntrySummary]


class EntryDocument(EntrySummary):
    document: dict[str, object] = Field(description="CertLogic rules and their words")


class JudgementBody(Body):
    payload: Annotated[Document, AfterValidator(_bounded)] = Field(
        description="the certificate as it was decoded, in the members of the EU certificate; "
        "its signature is not looked at here",
        examples=[{"v": [{"tg": "16541001", "dt": "2024-03-01", "is": "Travel clinic"}]}],
    )
    at: Moment | None = Field(default=None, description="null: now", examples=[None])


class UnmetAnswer(Answer):
    rule_id: str
    text: str = Field(description="in the language asked for by Accept-Language")


class JudgementAnswer(Answer):
    version: str
    at: datetime
    accepted: bool = Field(description="every rule is met")
    unmet: list[UnmetAnswer]


def _found(loaded: Mapping[str, EntryPolicy], pack: str) -> EntryPolicy:
    if (policy := loaded.get(pack)) is None:
        raise NotFound("There are no such entry rules at this hub.")
    return policy


def _summary(policy: EntryPolicy, today: date) -> EntrySummary:
    return EntrySummary(
        pack=policy.name,
        version=policy.version,
        country=policy.country,
        title=dict(policy.title),
        valid_from=policy.valid_from,
        valid_until=policy.valid_until,
        in_force=policy.holds(today),
    )


@router.get("/entry-rules", summary="List the entry rules of countries")
async def list_entry_rules(loaded: Loaded, runtime: RuntimeDep, _: Reader) -> EntryList:
    """What `TWINSTILE_ENTRY_RULES` names."""
    today = clock.now().astimezone(runtime.settings.zone).date()
    return EntryList(packs=[_summary(policy, today) for policy in loaded.values()])


@router.get(
    "/entry-rules/{pack}", summary="Read entry rules whole", responses=documented(NotFound)
)
async def read_entry_rules(
    pack: Word, loaded: Loaded, runtime: RuntimeDep, _: Reader
) -> EntryDocument:
    """The document: its rules, its lists and the words people are told."""
    policy = _found(loaded, pack)
    today = clock.now().astimezone(runtime.settings.zone).date()
    return EntryDocument(**dict(_summary(policy, today)), document=dict(policy.document))


@router.post(
    "/entry-rules/{pack}/judgements",
    summary="Judge a certificate by entry rules",
    responses=documented(NotFound, EntryRulesNotInForce),
)
async def judge_certificate(
    pack: Word,
    body: JudgementBody,
    loaded: Loaded,
    runtime: RuntimeDep,
    _: Officer,
    language: Annotated[str, Header(alias="Accept-Language", max_length=200)] = "en",
) -> JudgementAnswer:
    """Which rules it does not meet. Nothing of it is stored, logged or said again.

    A rule that cannot be evaluated is not met. The answer decides nothing about anybody: what
    follows from it is for the officer and the policy of the hub.
    """
    policy, at = _found(loaded, pack), body.at or clock.now()
    if not policy.holds(at.astimezone(runtime.settings.zone).date()):
        raise EntryRulesNotInForce
    unmet = [
        UnmetAnswer(rule_id=rule.rule_id, text=worded(rule.text, language))
        for rule in policy.unmet(body.payload, at)
    ]
    return JudgementAnswer(version=policy.version, at=at, accepted=not unmet, unmet=unmet)
