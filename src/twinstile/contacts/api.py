"""HTTP: lists of the contacts of a case.

Lists are pseudonymous: seats and reasons, nobody's name. Who a contact is is asked one by one
for a purpose, or taken out as a list that two persons agree on (`/v1/exports/contacts`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import Field
from sqlalchemy import RowMapping

from twinstile.cases import referrals
from twinstile.contacts import tracing
from twinstile.contacts.exposure import ReportedStay
from twinstile.identity.types import DocumentKind
from twinstile.platform.http.field_types import Answer, Body, Line, Word
from twinstile.platform.http.problems import (
    Forbidden,
    Gone,
    IdReused,
    NotFound,
    PurposeRequired,
    documented,
)
from twinstile.platform.http.routes import GatedRoute, Read, RuntimeDep, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security import access_log
from twinstile.platform.security.access_log import Action, Why
from twinstile.platform.security.auth import Principal, Scope
from twinstile.policy.api import Compiled
from twinstile.policy.types import ContactClass, ContactRule, Conveyance
from twinstile.screening.answers import text_in_language

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["contacts"])

MOST_LISTS = 50
Language = Annotated[str, Header(alias="Accept-Language", max_length=200)]
Reader = Annotated[Principal, caller(Scope.CASES_READ)]


class PlaceBody(Body):
    run_id: UUID
    coach: Word | None = Field(default=None, examples=["03"])
    seat: Word | None = Field(default=None, examples=["12F"])
    board_stop: Line | None = None
    alight_stop: Line | None = None


class TraceBody(Body):
    conveyance: Conveyance | None = Field(
        default=None,
        description="what the run is taken for instead of what policy says of its mode",
    )
    places: Annotated[tuple[PlaceBody, ...], Field(max_length=4)] = Field(
        default=(),
        description="where the patient sat, as the ticket or they say; beside the manifest's",
        examples=[[]],
    )


class DataCoverageAnswer(Answer):
    """How much of what the list rests on was known, in per cent; null: not needed."""

    patient: int | None = Field(description="coach, seat and stops of the patient")
    places: int | None = Field(description="seats of the others")
    legs: int | None = Field(description="others of whom it is known on which legs they were")
    crew: int | None = Field(description="runs with their crew on the list")
    gate: int | None = Field(
        description="those beside whom somebody knows; 0: lane and minute are not known"
    )
    named: int | None = Field(description="contacts whose identity is held for the case")
    score: int = Field(description="the mean of these")


class ContactListAnswer(Answer):
    list_id: UUID
    case_id: UUID
    made_at: datetime
    operator_id: UUID
    policy_version: str = Field(description="whose contact rules were applied")
    conveyance: Conveyance | None = Field(description="as asked for")
    runs: list[UUID] = Field(description="of the patient's journey")
    close: int
    general: int
    completeness: DataCoverageAnswer
    forgotten_at: datetime | None = Field(
        description="when whom it names was deleted, with the identity of the case"
    )


class ContactLists(Answer):
    lists: list[ContactListAnswer] = Field(description="the latest first, at most 50")


class ContactReasonAnswer(Answer):
    rule_id: str
    text: str = Field(description="in the language asked for by Accept-Language")
    certain: bool = Field(description="false: the places are not known well enough")
    earlier: bool = Field(description="by a seat that was corrected since")
    legs: int | None = Field(description="legs travelled together; null: not known")
    legs_of: int | None = Field(description="of how many of the patient's")


class ContactAnswer(Answer):
    n: int = Field(description="place in the list, from 1")
    contact_class: ContactClass = Field(serialization_alias="class")
    points: int = Field(description="1 to 100; orders those of a class")
    run_id: UUID | None = Field(description="null: at a gate or in a party only")
    coach: str | None
    seat: str | None
    reasons: list[ContactReasonAnswer] = Field(description="the best first")


class ContactPage(ContactListAnswer):
    contacts: list[ContactAnswer] = Field(description="the nearest first")
    next: int | None = Field(description="`after` of the next page; null on the last")


class ContactPerson(Answer):
    list_id: UUID
    n: int
    name: str | None = Field(json_schema_extra=access_log.IDENTIFIED)
    document_kind: DocumentKind
    document_number: str = Field(json_schema_extra=access_log.IDENTIFIED)
    document_issuer: str | None


@router.put(
    "/cases/{case_id}/contact-lists/{list_id}",
    summary="Find the contacts of a case",
    responses=documented(NotFound, Forbidden, IdReused, Gone),
)
async def put_contact_list(
    case_id: UUID,
    list_id: UUID,
    body: TraceBody,
    tx: Tx,
    runtime: RuntimeDep,
    policies: Compiled,
    who: Annotated[Principal, caller(Scope.CASES_WRITE)],
) -> ContactListAnswer:
    """Make a list by places on board, parties and gates, as they are known now.

    The same id is the same list. Seats that are corrected later need a new list; both stay.
    """
    places = tuple(ReportedStay(**dict(one)) for one in body.places)
    asked = tracing.TraceRequest(list_id, case_id, body.conveyance, places)
    keys = runtime.keys.of(who.hub_id)
    return _list(await tracing.trace(tx, keys, policies, who, asked, clock.now()))


@router.get(
    "/cases/{case_id}/contact-lists",
    summary="List the contact lists of a case",
    responses=documented(NotFound),
)
async def list_contact_lists(case_id: UUID, tx: Read, who: Reader) -> ContactLists:
    """Every list that was made, with its counts and how complete it is."""
    await referrals.patient(tx, who.hub_id, case_id)
    rows = await tracing.of_case(tx, who.hub_id, case_id, MOST_LISTS)
    return ContactLists(lists=[_list(row) for row in rows])


@router.get(
    "/contact-lists/{list_id}",
    summary="Read a list of contacts",
    responses=documented(NotFound),
)
async def read_contact_list(
    list_id: UUID,
    tx: Read,
    policies: Compiled,
    who: Reader,
    language: Language = "en",
    after: Annotated[int, Query(ge=0, le=tracing.MOST)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> ContactPage:
    """Contacts by nearness, without names: class, seat, and why."""
    row = await tracing.one(tx, who.hub_id, list_id)
    policy = await policies.get(tx, who.hub_id, cast("str", row["policy_version"]))
    rules = {rule.rule_id: rule for rule in policy.contacts.rules}
    found = await tracing.page(tx, who.hub_id, list_id, after, limit + 1)
    contacts = [_contact(one, rules, language) for one in found[:limit]]
    return ContactPage(
        **dict(_list(row)),
        contacts=contacts,
        next=contacts[-1].n if len(found) > limit else None,
    )


@router.post(
    "/contact-lists/{list_id}/contacts/{number}/person:reveal",
    summary="Read who a contact is",
    responses=documented(NotFound, Gone, PurposeRequired),
    openapi_extra=access_log.logged(Action.REVEAL),
)
async def reveal_contact(
    list_id: UUID,
    number: Annotated[int, Path(ge=1, le=tracing.MOST)],
    body: Why,
    tx: Tx,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.CONTACTS_REVEAL)],
    response: Response,
) -> ContactPerson:
    """Name and number, to warn or examine them. The reading is recorded first."""
    why = (access_log.stated(Action.REVEAL, body.purpose, body.reason), body.reason)
    keys = runtime.keys.of(who.hub_id)
    person = await tracing.show(tx, keys, who, list_id, number, why, clock.now())
    response.headers["Cache-Control"] = "no-store"
    return ContactPerson(
        list_id=list_id,
        n=number,
        name=person.holder.name,
        document_kind=person.document.kind,
        document_number=person.document.number,
        document_issuer=person.document.issuer,
    )


def _list(row: RowMapping) -> ContactListAnswer:
    asked = cast("Mapping[str, object]", row["asked"])
    return ContactListAnswer.model_validate(
        {**row, "completeness": row["known"], "conveyance": asked["conveyance"]}
    )


def _contact(row: RowMapping, rules: Mapping[str, ContactRule], language: str) -> ContactAnswer:
    reasons = cast("list[dict[str, object]]", row["reasons"])
    return ContactAnswer.model_validate(
        {**row, "reasons": [_reason(one, rules, language) for one in reasons]}
    )


def _reason(
    one: Mapping[str, object], rules: Mapping[str, ContactRule], language: str
) -> dict[str, object]:
    legs, legs_of = cast("tuple[int, int] | None", one["legs"]) or (None, None)
    rule_id = cast("str", one["rule_id"])
    text = text_in_language(rules[rule_id].text, language) or rule_id
    return {**one, "text": text, "legs": legs, "legs_of": legs_of}
