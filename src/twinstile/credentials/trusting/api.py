"""HTTP: the trust list that certificates are judged by: taken in by one or two, read by all."""

import asyncio
import hashlib
from datetime import datetime, timedelta
from typing import Annotated, Final, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import Field

from twinstile.credentials import words
from twinstile.credentials.trust import Domain
from twinstile.credentials.trusting import changes, lists, snapshots
from twinstile.credentials.trusting.bodies import TrustListBody
from twinstile.credentials.trusting.current_lists import CurrentLists, VerifiedList
from twinstile.credentials.trusting.lists import TrustListOlder
from twinstile.credentials.types import Freshness
from twinstile.platform.http.field_types import Answer, Body, Line
from twinstile.platform.http.problems import (
    FieldFault,
    IdReused,
    InvalidInput,
    NotFound,
    documented,
)
from twinstile.platform.http.routes import BatchRoute, Read, RuntimeDep, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security import approvals_api
from twinstile.platform.security.approvals_api import ApprovalRequestAnswer
from twinstile.platform.security.auth import Principal, Scope

router = APIRouter(prefix="/v1", route_class=BatchRoute, tags=["credentials"])

PAGE: Final = 100
Version = Annotated[int, Path(ge=1, le=2**53 - 1)]


AHEAD: Final = timedelta(minutes=2)
"""That a publisher's clock may be before ours."""
WAITS_FOR: Final = "members of the change for which a second person has to agree"


class IssuerChangeAnswer(Answer):
    domain: Domain
    issuer: str | None = Field(description="null: issuers beyond the first 300, together")
    added: int
    removed: int
    returned: int
    denied: int = Field(description="keys that are trusted, and refused from now on")
    given_back: int = Field(description="keys that were denied, and count again")


class TrustListChangeAnswer(Answer):
    version: int
    in_force: bool
    added: int
    removed: int
    issuers_gone: list[str]
    unvouched: int = Field(description="new keys that no authority of the list has signed")
    new_authorities: int = Field(description="who vouches now and did not before")
    returned: int = Field(description="new keys that had been taken off before")
    unrevoked: int = Field(description="revocations of the list before that this one lacks")
    first: bool = Field(description="nothing is in force before it")
    long: bool = Field(description="`not_after` is more than 30 days after `issued_at`")
    denied: int = Field(description="key ids that were not denied before")
    given_back: int = Field(description="ids and hashes that were denied and no longer are")
    new_domains: int = Field(
        description="keys of a domain that had none, or that stood in another domain"
    )
    issuers: list[IssuerChangeAnswer] = Field(description="keys that change, by issuer")
    sha256: str = Field(description="of `document` of GET /v1/trust-lists/{number}")
    waits_for: list[str] = Field(description=WAITS_FOR, examples=[["removed"]])
    refused: dict[str, int] = Field(description="entries that cannot be used, by reason")
    approval: ApprovalRequestAnswer | None = Field(description="null: nobody else has to agree")


class TrustState(Answer):
    """The trust list in force, in short."""

    version: int
    sha256: str = Field(description="of `document` of GET /v1/trust-lists/{number}")
    issued_at: datetime
    not_after: datetime
    freshness: Freshness
    age_s: int = Field(description="by the hub's clock, not the tablet's", examples=[3600])
    text: dict[str, str] = Field(description="the freshness in words, by language")
    keys: str = Field(
        description="where the list itself is read, by its ETag",
        examples=["/v1/trust-lists/7"],
    )


class TrustListAnswer(Answer):
    version: int
    document: str = Field(description="the text that was signed, JSON")
    sha256: str = Field(description="of the document's UTF-8")
    signing_key: str = Field(description="id of the hub's key")
    signature: str = Field(description="base64 of the 64 bytes over the document's UTF-8")
    activated_at: datetime | None = Field(description="null: it waits for a second person")


@router.put(
    "/trust-lists/{number}",
    summary="Take in a trust list",
    responses=documented(TrustListOlder, IdReused),
)
async def put_trust_list(
    number: Version,
    body: TrustListBody,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.POLICIES_WRITE)],
) -> TrustListChangeAnswer:
    """A list of keys as it is published; each entry is judged by itself, and the hub signs it.

    It is in force at once if it only adds keys that an authority vouches for who already did in
    the list before. For what `waits_for` names a second person has to agree: a first list,
    one for longer than 30 days, keys that vanish, return, enter another domain, are denied or
    given back, revocations that end, keys nobody vouches for and whoever vouches anew.
    Versions only rise, by 1000 at most.
    """
    now = clock.now()
    if body.issued_at > now + AHEAD:
        raise InvalidInput(errors=[FieldFault("/issued_at", "out-of-range")])
    if body.not_after <= max(now, body.issued_at):
        raise InvalidInput(errors=[FieldFault("/not_after", "out-of-range")])
    offer = body.offer(number)
    source = hashlib.sha256(body.model_dump_json().encode()).digest()
    # a second of work for a thousand certificates: not in the loop that answers the gates
    believed = await asyncio.to_thread(snapshots.believe, offer)
    async with runtime.database.transaction() as tx:
        taken = await lists.take(
            tx, who, runtime.keys.of(who.hub_id), offer, believed, source, body.reason, now
        )
        told = await lists.one(tx, who.hub_id, number)
    change = taken.change
    return TrustListChangeAnswer(
        version=number,
        in_force=told.activated_at is not None,
        sha256=told.sha256,
        waits_for=[] if told.activated_at else list(change.why_two),
        **changes.write_change(change),  # pyright: ignore[reportArgumentType] # same names
        refused=taken.refused,
        approval=approvals_api.asked_answer(taken.approval) if taken.approval else None,
    )


@router.get(
    "/trust-lists/{number}",
    summary="Read a trust list whole",
    response_model=TrustListAnswer,
    responses={304: {"description": "The list of the ETag given"}, **documented(NotFound)},
)
async def read_trust_list(
    number: Version,
    tx: Read,
    response: Response,
    who: Annotated[Principal, caller(Scope.LANES_READ)],
    if_none_match: Annotated[Line | None, Header(alias="If-None-Match")] = None,
) -> TrustListAnswer | Response:
    """As the hub signed it, for tablets that judge certificates alone.

    A version never changes, but for the moment it came into force.
    """
    told = await lists.one(tx, who.hub_id, number)
    waits = "" if told.activated_at else "-waits"
    etag = f'"{told.sha256[:32]}{waits}"'
    if if_none_match == etag:
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return TrustListAnswer(
        version=told.version,
        document=told.document,
        sha256=told.sha256,
        signing_key=told.key_id,
        signature=told.signature,
        activated_at=told.activated_at,
    )


class ListActivationBody(Body):
    id: UUID = Field(description="yours, of the request: the same again is harmless")
    reason: Line = Field(description="for whoever decides", examples=["looked at the diff"])


@router.post(
    "/trust-lists/{number}/activations",
    status_code=202,
    summary="Ask to put a trust list in force",
    responses=documented(NotFound, TrustListOlder, IdReused),
)
async def activate_trust_list(
    number: Version,
    body: ListActivationBody,
    tx: Tx,
    who: Annotated[Principal, caller(Scope.POLICIES_WRITE)],
) -> ApprovalRequestAnswer:
    """Of one that waits: it was fetched, or nobody decided in time. A second person decides."""
    told = await lists.one(tx, who.hub_id, number)
    now = clock.now()
    return approvals_api.asked_answer(await lists.ask(tx, who, told, body.id, body.reason, now))


class ListSummaryAnswer(Answer):
    version: int
    recorded_at: datetime
    follows: int | None = Field(description="the version in force when it came")
    activated_at: datetime | None = Field(description="null: it never came into force")
    in_force: bool
    waits_for: list[str] = Field(
        description=f"{WAITS_FOR}; empty: it is or was in force", examples=[["removed"]]
    )
    fetched: bool = Field(description="from a source, and by nobody here")


class StoredListAnswer(Answer):
    lists: list[ListSummaryAnswer]
    next: str | None = Field(description="cursor of the next page; null on the last")


Cursor = Annotated[str, Query(pattern=r"^[1-9][0-9]{0,15}$")]


@router.get("/trust-lists", summary="List the trust lists of the hub")
async def list_trust_lists(
    tx: Read,
    who: Annotated[Principal, caller(Scope.LANES_READ)],
    cursor: Cursor | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
) -> StoredListAnswer:
    """The newest first; `next` of one answer is the `cursor` of the next request."""
    before = int(cursor) if cursor is not None else None
    found, in_force = await lists.page(tx, who.hub_id, before, limit + 1)
    more = len(found) > limit
    return StoredListAnswer(
        lists=[
            ListSummaryAnswer(
                version=one.version,
                recorded_at=one.recorded_at,
                follows=one.follows,
                activated_at=one.activated_at,
                in_force=one.version == in_force,
                waits_for=list(one.waits_for),
                fetched=one.recorded_by is None,
            )
            for one in found[:limit]
        ],
        next=str(found[limit - 1].version) if more else None,
    )


def state(current: VerifiedList | None, now: datetime) -> TrustState | None:
    """What a lane has to know of the list in force."""
    if current is None:
        return None
    freshness = current.listed.freshness(now)
    return TrustState(
        version=current.listed.version,
        sha256=current.sha256,
        issued_at=current.listed.issued_at,
        not_after=current.listed.not_after,
        freshness=freshness,
        age_s=max(0, round((now - current.listed.issued_at).total_seconds())),
        text=dict(words.FRESHNESS[freshness]),
        keys=f"{router.prefix}/trust-lists/{current.listed.version}",
    )


async def _lists(request: Request) -> CurrentLists:
    return cast("CurrentLists", request.app.state.lists)


Listed = Annotated[CurrentLists, Depends(_lists)]
