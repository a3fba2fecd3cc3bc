"""Pages for those outside who hold a link: a question, without an account or scripts.

No name stands on them, and the browser keeps nothing. The address is the secret: a page asks
nothing of anybody else, and links nowhere.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal
from uuid import uuid4

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping

from twinstile.cases import follow_ups, receipts
from twinstile.cases.capability_links import LONGEST, NoSuchLink
from twinstile.cases.follow_ups import ReportBody
from twinstile.cases.follow_ups_api import REPORT_PATH, record_self_report
from twinstile.cases.receipts import HandoverQuestion, HandoverReceiptBody
from twinstile.cases.transfers_api import LINK_PATH, count_unknown
from twinstile.cases.types import Handover
from twinstile.platform.db.database import Reading
from twinstile.platform.http import routes
from twinstile.platform.http.field_types import Line, Word
from twinstile.platform.http.routes import Read, RuntimeDep, Tx
from twinstile.platform.ops import clock
from twinstile.policy.api import Compiled
from twinstile.web import layout

router = APIRouter(route_class=layout.PageRoute, include_in_schema=False)

Token = Annotated[str, Path(max_length=LONGEST)]
_KEPT_BY_NOBODY = {"cache-control": "no-store"}


class _Fields(BaseModel):
    answer: Handover
    signed_by: Word
    reason: Line | None = None


@router.get(LINK_PATH + "{token}")
async def show_handover(request: Request, token: Token, tx: Read) -> Response:
    """The question, or the receipt once the last word was said."""
    asked = await _asked(tx, token)
    return _page(request, asked, asked.receipt)


@router.post(LINK_PATH + "{token}")
async def answer_handover(
    request: Request, token: Token, tx: Tx, runtime: RuntimeDep
) -> Response:
    """Take the answer; what is wrong with it is said beside what was told."""
    asked = await _asked(tx, token)
    told = layout.checked(request, _Fields)
    if isinstance(told, Mapping):
        return _page(request, asked, None, told)
    if told.answer is Handover.REFUSED and told.reason is None:
        return _page(request, asked, None, {"reason": "missing"})
    at = clock.now()
    form = HandoverReceiptBody(**told.model_dump(), said_at=at)
    row = await receipts.by_link(tx, runtime.keys, token, uuid4(), form, at)
    return _page(request, asked, row)


class _Report(BaseModel):
    temperature: float = Field(ge=30, le=45)
    well: Literal["yes", "no"]


@router.get(REPORT_PATH + "{token}")
async def show_report(request: Request, token: Token, tx: Read) -> Response:
    """Two questions about today."""
    try:
        await follow_ups.hub_of(tx, token, clock.now())
    except NoSuchLink as error:
        raise count_unknown(error) from None
    return _report(request, done=False)


@router.post(REPORT_PATH + "{token}")
async def take_report(request: Request, token: Token, tx: Tx, policies: Compiled) -> Response:
    """Take today's answers. Whoever is not well, or says so, hears that somebody calls."""
    told = layout.checked(request, _Report)
    if isinstance(told, Mapping):
        return _report(request, done=False, faults=told)
    symptoms = ("UNWELL",) if told.well == "no" else ()
    report = ReportBody.model_construct(
        temperature_c=told.temperature, symptoms=symptoms, said_at=clock.now()
    )
    _, ill = await record_self_report(tx, policies, token, uuid4(), report)
    return _report(request, done=True, ill=ill)


def _report(
    request: Request,
    *,
    done: bool,
    ill: bool = False,
    faults: Mapping[str, str] | None = None,
) -> Response:
    return layout.render(
        request,
        "report.html",
        {"done": done, "ill": ill, "faults": faults or {}},
        status=422 if faults else 200,
        headers=_KEPT_BY_NOBODY,
    )


async def _asked(tx: Reading, token: str) -> HandoverQuestion:
    try:
        return await receipts.question(tx, token, clock.now())
    except NoSuchLink as error:
        raise count_unknown(error) from None


def _page(
    request: Request,
    question: HandoverQuestion,
    receipt: RowMapping | None,
    faults: Mapping[str, str] | None = None,
) -> Response:
    zone = routes.current_runtime(request).settings.zone

    def clock_of(moment: datetime) -> str:
        return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"

    shown = {
        "asked": question,
        "receipt": receipt,
        "faults": faults or {},
        "clock_of": clock_of,
    }
    return layout.render(
        request,
        "handover.html",
        shown,
        status=422 if faults else 200,
        headers=_KEPT_BY_NOBODY,
    )
