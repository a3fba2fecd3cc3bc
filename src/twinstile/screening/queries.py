"""Reads of the screening room."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, cast
from uuid import UUID

from sqlalchemy import RowMapping, select, tuple_

from twinstile.platform.db.database import Reading
from twinstile.platform.db.tables import EventRecord
from twinstile.platform.http import paging
from twinstile.platform.http.problems import NotFound
from twinstile.screening import machine
from twinstile.screening.bodies import CompletenessAnswer
from twinstile.screening.fold import unpack
from twinstile.screening.tables import Alert, Check, Screening
from twinstile.screening.types import ScreeningEvent, ScreeningState
from twinstile.screening.views import (
    AlertView,
    CheckView,
    ScreeningDetail,
    ScreeningPage,
    ScreeningView,
    StepView,
)

COMPLETE_SQL: Final = """(
    reminders @> '{R1,R2}' AND verifications @> '{CREDENTIAL,TEMPERATURE,IDENTITY}'
    AND services @> '{S1,S2}')"""
"""Whether a screening is complete, as `machine.completeness` says with 2-2-2 required."""
_CHECK_COLUMNS = (
    Check.id,
    Check.screening_id,
    Check.lane_id,
    Check.device_id,
    Check.operator_id,
    Check.observed_at,
    Check.received_at,
    Check.clock_offset_ms,
    Check.clock_suspect,
    Check.offline,
    Check.evidence,
    Check.verdict,
    Check.state,
    Check.reasons,
    Check.policy_version,
    Check.case_id,
    Check.measures,
)
_SCREENING_COLUMNS = (
    Screening.screening_id,
    Screening.run_id,
    Screening.checkpoint,
    Screening.state,
    Screening.opened_at,
    Screening.state_since,
    Screening.due_at,
    Screening.closed_at,
    Screening.referred_at,
    Screening.case_id,
    Screening.supersedes,
    Screening.fold,
    Screening.reminders,
    Screening.verifications,
    Screening.services,
)


async def check(tx: Reading, hub_id: str, check_id: UUID) -> CheckView:
    """One check as stored. Raises `NotFound`."""
    found = await tx.sql.execute(
        select(*_CHECK_COLUMNS).where(Check.hub_id == hub_id, Check.id == check_id)
    )
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFound("There is no such check.")
    return _check(row)


async def screening(tx: Reading, hub_id: str, screening_id: UUID) -> ScreeningDetail:
    """A screening with its checks and every step it took. Raises `NotFound`."""
    found = await tx.sql.execute(
        select(*_SCREENING_COLUMNS).where(
            Screening.hub_id == hub_id, Screening.screening_id == screening_id
        )
    )
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFound("There is no such screening.")
    checks = await tx.sql.execute(
        select(*_CHECK_COLUMNS)
        .where(Check.hub_id == hub_id, Check.screening_id == screening_id)
        .order_by(Check.received_at, Check.id)
        .limit(200)
    )
    views = [_check(item) for item in checks.mappings()]
    return ScreeningDetail(
        **_view(row).model_dump(),
        checks=views,
        steps=await _steps(tx, hub_id, screening_id),
        measures=views[-1].measures if views else [],
        alerts=await _alerts(tx, hub_id, screening_id),
    )


async def _alerts(tx: Reading, hub_id: str, screening_id: UUID) -> list[AlertView]:
    found = await tx.sql.execute(
        select(Alert.alert_id, Alert.kind, Alert.raised_at, Alert.facts)
        .where(
            Alert.hub_id == hub_id,
            Alert.subject_id == screening_id,
            Alert.closed_at.is_(None),
        )
        .order_by(Alert.raised_at)
    )
    return [AlertView.model_validate(row) for row in found.mappings()]


def _check(row: RowMapping) -> CheckView:
    return CheckView.model_validate({**row, "measures": row["measures"] or []})


async def _steps(tx: Reading, hub_id: str, screening_id: UUID) -> list[StepView]:
    found = await tx.sql.execute(
        select(EventRecord.at, EventRecord.operator_id, EventRecord.body)
        .where(EventRecord.hub_id == hub_id, EventRecord.subject_id == screening_id)
        .order_by(EventRecord.tx, EventRecord.event_id)
        .limit(500)
    )
    return [
        StepView(
            at=at,
            before=ScreeningState(before),
            event=ScreeningEvent(event),
            after=ScreeningState(after),
            operator_id=operator_id,
            reason=str(body["reason"]) if "reason" in body else None,
            particulars=cast("dict[str, object]", body.get("particulars", {})),
        )
        for at, operator_id, body in found
        for before, event, after in _path(body)
    ]


def _path(body: dict[str, object]) -> list[tuple[str, str, str]]:
    return cast("list[tuple[str, str, str]]", body.get("path", []))


async def page(
    tx: Reading,
    hub_id: str,
    since: datetime,
    until: datetime,
    state: ScreeningState | None,
    cursor: str | None,
    limit: int,
) -> ScreeningPage:
    """Screenings of [since, until) in the order they opened, from the cursor on."""
    wanted = (
        select(*_SCREENING_COLUMNS)
        .where(
            Screening.hub_id == hub_id,
            Screening.opened_at >= since,
            Screening.opened_at < until,
        )
        .order_by(Screening.opened_at, Screening.screening_id)
        .limit(limit + 1)
    )
    if state is not None:
        wanted = wanted.where(Screening.state == state.value)
    if cursor is not None:
        wanted = wanted.where(
            tuple_(Screening.opened_at, Screening.screening_id) > paging.decode(cursor)
        )
    found = await tx.sql.execute(wanted)
    rows = [_view(row) for row in found.mappings()]
    last = rows[limit - 1] if len(rows) > limit else None
    return ScreeningPage(
        screenings=rows[:limit],
        next=paging.encode(last.opened_at, last.screening_id) if last else None,
    )


def _view(row: RowMapping) -> ScreeningView:
    evidence, _, _ = unpack(cast("Mapping[str, object]", row))
    counted = machine.completeness(
        evidence.reminders, evidence.verifications, evidence.services
    )
    return ScreeningView.model_validate(
        {
            **row,
            "completeness": CompletenessAnswer(
                reminders=counted.reminders,
                verifications=counted.verifications,
                services=counted.services,
                complete=counted.complete,
            ),
        }
    )
