"""HTTP: partners, their tokens, and the feed of changes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Annotated, ClassVar, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from pydantic import Field

from twinstile.platform.http.field_types import Answer, Body, Line, Word
from twinstile.platform.http.json_body import FORM
from twinstile.platform.http.problems import (
    FieldFault,
    Forbidden,
    InvalidInput,
    NotFound,
    TooMany,
    Unauthenticated,
    documented,
)
from twinstile.platform.http.routes import TOKENS, GatedRoute, Read, RuntimeDep, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security import access_log
from twinstile.platform.security.access_log import Action
from twinstile.platform.security.auth import PARTNER_SCOPES, Principal, Scope, TokenKind
from twinstile.platform.security.browser_sessions import MAX_TOKEN
from twinstile.sharing import changes, partners, tokens
from twinstile.sharing.changes import CursorExpired
from twinstile.sharing.feed import Feed, FeedRequest
from twinstile.sharing.partners import Entered
from twinstile.sharing.tokens import InvalidClient, TokenRefused
from twinstile.sharing.types import OF_CASES, TERMS, ChangeType, Partner, PartnerKind

LONGEST_WAIT_S = 30
MOST = 500


class PartnerRoute(GatedRoute):
    """A route for partners' systems: nothing they send is long."""

    open_limit: ClassVar[int] = 8192


router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["partners"])
feed_router = APIRouter(prefix="/v1", route_class=PartnerRoute, tags=["partners"])


_bearer = HTTPBearer(auto_error=False, scheme_name="token", description=TOKENS)


async def _feed(request: Request) -> Feed:
    return cast("Feed", request.app.state.feed)


Fed = Annotated[Feed, Depends(_feed)]


@dataclass(frozen=True, slots=True)
class Calling:
    """Who calls the feed, and by which token."""

    partner: Partner
    token: str = field(repr=False)


async def _partner(
    scopes: SecurityScopes,
    runtime: RuntimeDep,
    feed: Fed,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Calling:
    """The partner who calls, and its token; whoever else has a token may not."""
    if credentials is None or len(credentials.credentials) > MAX_TOKEN:
        raise Unauthenticated
    token = credentials.credentials
    if not token.startswith(f"{TokenKind.PARTNER}.") or "\0" in token:
        await runtime.gatekeeper.principal(token)
        raise Forbidden("This is for partners' systems.")
    partner = await feed.doorkeeper.partner(token)
    if not set(scopes.scopes) <= PARTNER_SCOPES:
        raise Forbidden
    return Calling(partner, token)


class TypeGrant(Body):
    type: ChangeType = Field(examples=["case.opened"])
    fields: Annotated[list[Word], Field(max_length=20)] = Field(
        description="members that may leave", examples=[["case_no", "origin"]]
    )


class PartnerBody(Body):
    name: Line = Field(description="the department", examples=["City health commission"])
    kind: PartnerKind
    types: Annotated[list[TypeGrant], Field(min_length=1, max_length=20)] | None = Field(
        default=None,
        description="what it may hear of; everything its kind may, unless given",
        examples=[None],
    )


class GrantAnswer(Answer):
    type: ChangeType
    fields: list[str]


class PartnerAnswer(Answer):
    partner_id: UUID
    client_id: str
    name: str
    kind: PartnerKind
    types: list[GrantAnswer]
    created_at: datetime
    secret_at: datetime = Field(description="since when its secret is this one")
    disabled_at: datetime | None


class PartnerList(Answer):
    partners: list[PartnerAnswer]


class SecretAnswer(Answer):
    partner_id: UUID
    client_id: str
    client_secret: str = Field(description="shown once")


class TokenAnswer(Answer):
    """RFC 6749, section 5.1."""

    access_token: str
    token_type: str
    expires_in: int = Field(description="seconds")
    scope: str


class ChangeAnswer(Answer):
    id: str = Field(description="of the change, your own: keep it to notice a repetition")
    type: ChangeType
    subject: str = Field(description="your own pseudonym of whom or what it is about")
    at: datetime = Field(description="to the second")
    fields: dict[str, object] = Field(description="the members you were granted")


class ChangesAnswer(Answer):
    changes: list[ChangeAnswer]
    next: str = Field(description="the cursor to ask with next; keep it with what you stored")
    more: bool = Field(description="whether there is more to read at once")


Manager = Annotated[Principal, caller(Scope.PARTNERS_MANAGE)]


@router.post(
    "/partners",
    status_code=201,
    summary="Enter a partner",
)
async def add_partner(body: PartnerBody, tx: Tx, who: Manager) -> SecretAnswer:
    """Let a department's system in. The secret is in this answer and nowhere else."""
    grants = _granted(body)
    partner_id, secret = await partners.add(tx, who, body.name, body.kind, grants, clock.now())
    return _secret(who, partner_id, secret)


def _granted(body: PartnerBody) -> dict[ChangeType, Sequence[str]]:
    terms = TERMS[body.kind]
    grants: dict[ChangeType, Sequence[str]] = {}
    faults: list[FieldFault] = []
    if body.types is None:
        return {type_: sorted(fields) for type_, fields in terms.items()}
    if len({grant.type for grant in body.types}) != len(body.types):
        faults.append(FieldFault("/types", "duplicate-entry"))
    for i, grant in enumerate(body.types):
        faults += [
            FieldFault(f"/types/{i}/fields/{j}", "unknown-value")
            for j, name in enumerate(grant.fields)
            if name not in terms[grant.type]
        ]
        grants[grant.type] = grant.fields
    if faults:
        raise InvalidInput(errors=faults)
    if OF_CASES & grants.keys():
        grants[ChangeType.DESTROYED] = ()
    return grants


@router.get("/partners", summary="List the partners")
async def list_partners(tx: Read, who: Manager) -> PartnerList:
    """Every partner with what it may hear of, those shut out included."""
    found = await partners.listed(tx, who.hub_id)
    return PartnerList(partners=[_answer(who.hub_id, entered) for entered in found])


@router.post(
    "/partners/{partner_id}:rotate",
    summary="Give a partner a new secret",
    responses=documented(NotFound),
)
async def rotate_secret(partner_id: UUID, tx: Tx, feed: Fed, who: Manager) -> SecretAnswer:
    """The old secret and every token of it end within two seconds."""
    secret = await partners.rotate(tx, who, partner_id, clock.now())
    feed.doorkeeper.forget()
    return _secret(who, partner_id, secret)


@router.delete(
    "/partners/{partner_id}",
    status_code=204,
    summary="Shut a partner out",
    responses=documented(NotFound),
)
async def disable_partner(partner_id: UUID, tx: Tx, feed: Fed, who: Manager) -> None:
    """End a partner's access for good, within two seconds. One that returns is entered anew."""
    await partners.disable(tx, who, partner_id, clock.now())
    feed.doorkeeper.forget()


@feed_router.post(
    "/oauth/token",
    summary="Get an access token",
    responses=documented(InvalidClient, TokenRefused, TooMany),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                FORM: {
                    "schema": {
                        "type": "object",
                        "required": ["grant_type"],
                        "properties": {
                            "grant_type": {"type": "string", "const": "client_credentials"},
                            "client_id": {"type": "string"},
                            "client_secret": {"type": "string"},
                            "scope": {"type": "string"},
                        },
                    },
                    "example": {
                        "grant_type": "client_credentials",
                        "client_id": "hub.0b9c1f6e-3a52-4a3e-9a55-6a4d5d1c7a11",
                        "client_secret": "6SVbQm…",
                    },
                }
            },
        }
    },
)
async def give_token(request: Request, tx: Tx, feed: Fed, response: Response) -> TokenAnswer:
    """Client credentials of RFC 6749, in the form or as HTTP Basic. Needs no token itself."""
    headers = request.headers
    asked = tokens.read_token_request(
        headers.get("content-type", ""), headers.get("authorization"), await request.body()
    )
    token = await partners.issue(tx, asked.client_id, asked.client_secret, clock.now())
    if token is None:  # only then is it counted: nobody else can use up a partner's turns
        feed.wrong.take(asked.client_id, time.monotonic())
        raise InvalidClient
    response.headers["Cache-Control"] = "no-store"
    return TokenAnswer(
        access_token=token,
        token_type="Bearer",  # noqa: S106 # the kind of token
        expires_in=int(partners.TOKEN_LIFE.total_seconds()),
        scope=" ".join(sorted(PARTNER_SCOPES)),
    )


async def _over(request: Request) -> bool:
    """Whether nobody waits any more, or the service is about to end."""
    return cast("bool", request.app.state.leaving) or await request.is_disconnected()


@feed_router.get(
    "/changes",
    summary="Read what changed since a cursor",
    responses=documented(CursorExpired, TooMany),
    openapi_extra=access_log.logged(Action.DISCLOSURE),
)
async def read_changes(  # noqa: PLR0913, PLR0917 # four of them are the query
    request: Request,
    runtime: RuntimeDep,
    feed: Fed,
    calling: Annotated[Calling, Security(_partner, scopes=[str(Scope.CHANGES_READ)])],
    response: Response,
    after: Annotated[
        str | None,
        Query(max_length=changes.LONGEST_CURSOR, description="`next` of the last answer"),
    ] = None,
    types: Annotated[
        str | None, Query(max_length=200, description="comma between; all granted if absent")
    ] = None,
    wait: Annotated[
        int, Query(ge=0, le=LONGEST_WAIT_S, description="seconds to wait for a first change")
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
) -> ChangesAnswer:
    """Changes in order, under your own pseudonyms.

    Whoever may hear of cases hears of `destroyed`, whatever types it asks for.

    Nothing is skipped; after a failure ask again with the last cursor you stored. On
    `cursor-expired` forget the cursor, read from the beginning (no `after`) and replace what
    you hold.
    """
    partner = calling.partner
    feed.requests.take(str(partner.partner_id), time.monotonic())
    key = await partners.pseudonym_key(runtime.keys.of(partner.hub_id), partner.partner_id)
    asked = FeedRequest(partner, calling.token, key, _wanted(partner, types), limit, wait)
    response.headers["Cache-Control"] = "no-store"
    answer = await feed.read(asked, after, partial(_over, request))
    return ChangesAnswer(
        changes=[
            ChangeAnswer(
                id=change.id,
                type=change.type,
                subject=change.subject,
                at=change.at,
                fields=dict(change.fields),
            )
            for change in answer.page.changes
        ],
        next=changes.encode(key, answer.epoch, answer.page.next_n),
        more=answer.more,
    )


def _wanted(partner: Partner, types: str | None) -> list[ChangeType]:
    """The types asked for, all of them granted. Raises `InvalidInput`."""
    if types is None:
        return list(partner.grants)
    granted = {type_.value: type_ for type_ in partner.grants}
    names = types.split(",")
    if not set(names) <= set(granted):
        raise InvalidInput(errors=[FieldFault("/types", "unknown-value")])
    always = [ChangeType.DESTROYED] if OF_CASES & partner.grants.keys() else []
    return list(dict.fromkeys([*(granted[name] for name in names), *always]))


def _secret(who: Principal, partner_id: UUID, secret: str) -> SecretAnswer:
    return SecretAnswer(
        partner_id=partner_id,
        client_id=partners.client_id(who.hub_id, partner_id),
        client_secret=secret,
    )


def _answer(hub_id: str, entered: Entered) -> PartnerAnswer:
    return PartnerAnswer(
        partner_id=entered.partner_id,
        client_id=partners.client_id(hub_id, entered.partner_id),
        name=entered.name,
        kind=entered.kind,
        types=[
            GrantAnswer(type=type_, fields=list(fields))
            for type_, fields in entered.grants.items()
        ],
        created_at=entered.created_at,
        secret_at=entered.secret_at,
        disabled_at=entered.disabled_at,
    )
