"""What travellers dispute, for whoever answers; and what somebody at the desk has declared.

An appeal is read before it is answered, and the reading is on the record. A declaration is
found by the square or the slip the traveller shows, never by a name. Nobody of ours changes
either: corrections are the traveller's own, by the receipt.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BeforeValidator
from sqlalchemy import RowMapping

from twinstile.declarations import appeals
from twinstile.declarations.api import desk as declaring
from twinstile.declarations.bodies import PassCode, Text
from twinstile.declarations.types import Decided
from twinstile.platform.db.database import Transaction
from twinstile.platform.http.field_types import Body
from twinstile.platform.http.problems import LookUpQuota
from twinstile.platform.http.routes import Read, Runtime, RuntimeDep, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security import access_log
from twinstile.platform.security.access_log import Action, Purpose
from twinstile.platform.security.auth import Principal, Scope
from twinstile.screening import queries
from twinstile.web import layout, traveller
from twinstile.web.layout import PageRoute

PATH: Final = "/desk"
SHOWN: Final = 50
"""Appeals on one page: those that wait the longest."""
router = APIRouter(prefix=PATH, route_class=PageRoute, include_in_schema=False)
Judge = Annotated[Principal, caller(Scope.APPEALS_READ, Scope.APPEALS_WRITE)]
Helper = Annotated[Principal, caller(Scope.LOOKUPS_WRITE)]


class ReadForm(Body):
    appeal_id: UUID


class AnswerForm(Body):
    """The last word on an appeal, in words the traveller reads."""

    appeal_id: UUID
    decided: Decided
    text: Annotated[Text, BeforeValidator(traveller.lines)]


class PresentedCodeForm(Body):
    """What a traveller holds out."""

    pass_code: PassCode


def _answer(
    request: Request,
    template: str,
    runtime: Runtime,
    values: Mapping[str, object],
    status: int = HTTPStatus.OK,
) -> Response:
    blank: Mapping[str, object] = {
        "scripts": ["desk.js"],
        "faults": {},
        "said": {},
        "when": traveller.by_clock(runtime.settings.zone),
        "now": clock.now(),
    }
    whole = {**blank, **values}
    answer = layout.render(request, template, whole, "script-src 'self'", status=status)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@router.get("/appeals")
async def read_list(request: Request, tx: Read, runtime: RuntimeDep, who: Judge) -> Response:
    """Those nobody has answered, the oldest first; not their words."""
    limit = SHOWN + 1
    rows = await appeals.page(tx, who.hub_id, open_only=True, cursor=None, limit=limit)
    shown = {
        "listed": [_due(row) for row in rows[:SHOWN]],
        "more": len(rows) > SHOWN,
        "appeal": None,
    }
    return _answer(request, "appeals.html", runtime, shown)


def _due(row: RowMapping) -> Mapping[str, object]:
    return {**row, "due_at": row["made_at"] + appeals.ANSWERED_WITHIN}


async def _reading(
    tx: Transaction, runtime: Runtime, who: Principal, appeal_id: UUID
) -> Mapping[str, object]:
    """One appeal with its words, and where the passage stands; on the record first."""
    at, keys = clock.now(), runtime.keys.of(who.hub_id)
    purpose = access_log.stated(Action.REVEAL, Purpose.SUBJECT_REQUEST)
    text = await appeals.read(tx, keys, who, appeal_id, purpose, None, at)
    head = await appeals.head(tx, who.hub_id, appeal_id)
    of = head["screening_id"]
    passage = await queries.screening(tx, who.hub_id, of) if of else None
    return {
        "listed": [],
        "more": False,
        "appeal": {**_due(head), "text": text, "passage": passage},
    }


@router.post("/appeals/read")
async def read_appeal(request: Request, tx: Tx, runtime: RuntimeDep, who: Judge) -> Response:
    """One appeal, to be answered."""
    told = layout.checked(request, ReadForm)
    if not isinstance(told, ReadForm):
        return layout.to(f"{PATH}/appeals")
    shown = await _reading(tx, runtime, who, told.appeal_id)
    return _answer(request, "appeals.html", runtime, shown)


@router.post("/appeals/answer")
async def answer_appeal(request: Request, tx: Tx, runtime: RuntimeDep, who: Judge) -> Response:
    """Answer it, once and for good; or say what is missing, with everything kept."""
    told = layout.checked(request, AnswerForm)
    if isinstance(told, AnswerForm):
        word = told.decided, told.text
        keys = runtime.keys.of(who.hub_id)
        await appeals.decide(tx, keys, who, told.appeal_id, *word, clock.now())
        return layout.to(f"{PATH}/appeals")
    which = layout.checked(request, ReadForm)
    if not isinstance(which, ReadForm):
        return layout.to(f"{PATH}/appeals")
    reading = await _reading(tx, runtime, who, which.appeal_id)
    shown = {**reading, "faults": told, "said": layout.form(request)}
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    return _answer(request, "appeals.html", runtime, shown, status)


@router.get("/declaration")
async def read_field(request: Request, runtime: RuntimeDep, _who: Helper) -> Response:
    """Where the square is scanned or the digits are typed."""
    return _answer(request, "declaration.html", runtime, {"found": None, "refused": None})


@router.post("/declaration")
async def read_declaration(request: Request, runtime: RuntimeDep, who: Helper) -> Response:
    """What was declared to whom the square or the digits were given; few times."""
    told = layout.checked(request, PresentedCodeForm)
    shown: Mapping[str, object] = {"found": None, "refused": None}
    if not isinstance(told, PresentedCodeForm):
        faulty = {**shown, "faults": told, "said": layout.form(request)}
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return _answer(request, "declaration.html", runtime, faulty, status)
    purpose = access_log.stated(Action.LOOK_UP, Purpose.SUBJECT_REQUEST)
    try:
        found = await declaring.found(runtime, who, purpose, None, told.pass_code)
    except LookUpQuota as problem:
        refused = {**shown, "refused": problem.slug}
        return _answer(request, "declaration.html", runtime, refused, problem.status)
    return _answer(request, "declaration.html", runtime, {**shown, "found": found})
