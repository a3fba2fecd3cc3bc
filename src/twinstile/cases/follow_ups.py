"""Contacts with patients: attempts, what was heard, their own report, and who is lost."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Annotated, Final
from uuid import UUID

from pydantic import Field, StrictFloat
from sqlalchemy import RowMapping, func, select, tuple_, update
from uuid_utils.compat import uuid7

from twinstile.cases import (
    capability_links,
    episodes,
    follow_up_schedule,
    steps,
)
from twinstile.cases.bodies import Symptom, tenths
from twinstile.cases.capability_links import CapabilityLink
from twinstile.cases.follow_up_tables import Attempt, FollowUpTask
from twinstile.cases.steps import LockedCase
from twinstile.cases.tables import FeverCase
from twinstile.cases.types import (
    By,
    CaseEvent,
    CaseState,
    ContactPurpose,
    LinkKind,
    Reached,
    TestResult,
)
from twinstile.platform.db import idempotent_facts
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.db.idempotent_facts import FactSource, RecordedBy
from twinstile.platform.http import paging
from twinstile.platform.http.field_types import Body, Line, Moment
from twinstile.platform.http.problems import NotFound, TransitionRefused
from twinstile.platform.ledger import events
from twinstile.platform.security import shifts
from twinstile.platform.security.auth import Principal
from twinstile.policy.types import Parameters

Celsius = Annotated[StrictFloat, Field(ge=30, le=45)]

CONTACTED: Final = "case.follow-up"
REPORT_LASTS: Final = timedelta(days=16)
EARLY: Final = timedelta(hours=12)
"""A patient's report counts for a contact that is due within this time."""
LATEST: Final = 1000
"""Attempts that are looked at before somebody is lost; nobody has so many recorded."""


class ReportBody(Body):
    temperature_c: Celsius | None = Field(default=None, description="°C, to a tenth")
    symptoms: Annotated[tuple[Symptom, ...], Field(max_length=16)] = ()
    said_at: Moment


class AttemptBody(ReportBody):
    by: By
    outcome: Reached
    result: TestResult | None = None
    note: Line | None = None


def is_ill(form: ReportBody, threshold_tenths: int) -> bool:
    """Whether a medic has to look at what was heard."""
    measured = tenths(form.temperature_c)
    fever = measured is not None and measured >= threshold_tenths
    positive = isinstance(form, AttemptBody) and form.result is TestResult.POSITIVE
    return fever or bool(form.symptoms) or positive


async def call_list(
    tx: Reading,
    hub_id: str,
    until: datetime,
    assigned_to: UUID | None,
    cursor: str | None,
    limit: int,
) -> list[RowMapping]:
    """Contacts that are due by then, the earliest first."""
    place = tuple_(FollowUpTask.due_at, FollowUpTask.follow_up_id)
    wanted = [
        FollowUpTask.hub_id == hub_id,
        FollowUpTask.done_at.is_(None),
        FollowUpTask.due_at <= until,
    ]
    if assigned_to is not None:
        wanted.append(FollowUpTask.assigned_to == assigned_to)
    if cursor is not None:
        wanted.append(place > paging.decode(cursor))
    found = await tx.sql.execute(
        select(*FollowUpTask.__table__.columns, FeverCase.case_no, FeverCase.state)
        .join(
            FeverCase,
            (FeverCase.hub_id == FollowUpTask.hub_id)
            & (FeverCase.case_id == FollowUpTask.case_id),
        )
        .where(*wanted)
        .order_by(FollowUpTask.due_at, FollowUpTask.follow_up_id)
        .limit(limit)
    )
    return list(found.mappings())


async def assign(
    tx: Transaction, hub_id: str, follow_up_id: UUID, operator_id: UUID | None
) -> None:
    """Who is to make a contact; None: anybody.

    Raises `NotFound` for one that was made, and for somebody the hub does not know.
    """
    if operator_id is not None:
        await shifts.name_of(tx, hub_id, operator_id)
    done = await tx.sql.execute(
        update(FollowUpTask)
        .where(
            FollowUpTask.hub_id == hub_id,
            FollowUpTask.follow_up_id == follow_up_id,
            FollowUpTask.done_at.is_(None),
        )
        .values(assigned_to=operator_id)
        .returning(FollowUpTask.follow_up_id)
    )
    if done.one_or_none() is None:
        raise NotFound("There is no such contact to be made.")


async def attempt(
    tx: Transaction,
    who: Principal,
    follow_up_id: UUID,
    attempt_id: UUID,
    form: AttemptBody,
    threshold_tenths: int,
    at: datetime,
) -> RowMapping:
    """Record an attempt of somebody on duty.

    Whoever was reached is called no more for this contact; whoever is ill is assessed anew.
    Raises `NotFound`, `IdReused`, `TransitionRefused`.
    """
    found = await tx.sql.execute(
        select(FollowUpTask.case_id).where(
            FollowUpTask.hub_id == who.hub_id, FollowUpTask.follow_up_id == follow_up_id
        )
    )
    case_id = found.scalar_one_or_none()
    if case_id is None:
        raise NotFound("There is no such contact.")
    case = await steps.lock(tx, who.hub_id, case_id)
    task = await _task(tx, case, FollowUpTask.follow_up_id == follow_up_id)
    return await _record(tx, who, case, task, attempt_id, form, threshold_tenths, at)


async def give_link(
    tx: Transaction, who: Principal, case_id: UUID, at: datetime
) -> CapabilityLink:
    """A link by which the patient reports; the one before is over. Raises `NotFound`."""
    case = await steps.lock(tx, who.hub_id, case_id)
    if case.state.terminal:
        raise TransitionRefused(f"The case is {case.state}.")
    return await capability_links.issue(
        tx, who, case, LinkKind.SELF_REPORT, case_id, at, REPORT_LASTS
    )


async def record_report(
    tx: Transaction,
    token: str,
    attempt_id: UUID,
    report: ReportBody,
    threshold_tenths: int,
    at: datetime,
) -> RowMapping:
    """Record what the holder of a link says of themselves.

    It makes the call that is due next, if that is due soon: no test, and nothing another has to
    answer. Raises `NoSuchLink`, `IdReused`, and `TooMany` for more than anybody has to say.
    """
    opened = await capability_links.resolve(tx, LinkKind.SELF_REPORT, token, at)
    case = await steps.lock(tx, opened.hub_id, opened.case_id)
    if case.state.terminal:
        raise capability_links.NoSuchLink
    own = (Attempt.case_id == case.case_id, Attempt.device_id.is_(None))
    await idempotent_facts.require_few(tx, Attempt, case.hub_id, attempt_id, at, *own)
    task = await _task(
        tx,
        case,
        FollowUpTask.done_at.is_(None),
        FollowUpTask.kind == ContactPurpose.CALL.value,
        FollowUpTask.due_at <= at + EARLY,
    )
    source = RecordedBy(opened.hub_id)
    form = AttemptBody.model_construct(
        by=By.SELF,
        outcome=Reached.REACHED,
        temperature_c=report.temperature_c,
        symptoms=report.symptoms,
        said_at=report.said_at,
    )
    return await _record(tx, source, case, task, attempt_id, form, threshold_tenths, at)


async def hub_of(tx: Reading, token: str, at: datetime) -> str:
    """The hub of a link by which a patient reports. Raises `NoSuchLink`."""
    return (await capability_links.resolve(tx, LinkKind.SELF_REPORT, token, at)).hub_id


async def _task(tx: Reading, case: LockedCase, *wanted: object) -> RowMapping | None:
    found = await tx.sql.execute(
        select(FollowUpTask.__table__)
        .where(
            FollowUpTask.hub_id == case.hub_id,
            FollowUpTask.case_id == case.case_id,
            *wanted,  # pyright: ignore[reportArgumentType] # conditions on the same table
        )
        .order_by(FollowUpTask.due_at)
        .limit(1)
    )
    return found.mappings().one_or_none()


async def _record(  # who, of what, what and when
    tx: Transaction,
    who: FactSource,
    case: LockedCase,
    task: RowMapping | None,
    attempt_id: UUID,
    form: AttemptBody,
    threshold_tenths: int,
    at: datetime,
) -> RowMapping:
    values = idempotent_facts.columns(
        Attempt, form, case_id=case.case_id, tenths=tenths(form.temperature_c)
    )
    said_at = values.pop("said_at")
    earlier = await idempotent_facts.find(tx, Attempt, case.hub_id, attempt_id, values)
    if earlier is not None:
        return earlier
    if task is not None and task["done_at"] is not None:
        raise TransitionRefused("This contact was made, or is not to be made any more.")
    values |= {"follow_up_id": task and task["follow_up_id"], "said_at": said_at}
    row = await idempotent_facts.add(tx, Attempt, who, attempt_id, values, at)
    if task is not None:
        await _go_on(tx, case, task, form.outcome, at)
    body: dict[str, object] = {
        "kind": task and task["kind"],
        "by": form.by.value,
        "outcome": form.outcome.value,
        "result": form.result and form.result.value,
    }
    await steps.announce(tx, who, case, CONTACTED, at, body)
    reached = form.outcome is Reached.REACHED
    if reached and is_ill(form, threshold_tenths) and case.state is CaseState.FOLLOWING_UP:
        step = steps.walk_by_system(case.state, CaseEvent.NEW_SYMPTOMS)
        moment = case.after(at)
        await steps.move(tx, case, step.after, moment)
        said: dict[str, object] = {"at": form.said_at.isoformat()}
        await events.append(tx, [steps.moved_event(who, case, step, moment, said, uuid7())])
    return row


async def _go_on(
    tx: Transaction, case: LockedCase, task: RowMapping, outcome: Reached, at: datetime
) -> None:
    """Count the attempt; after one that reached somebody, wait for the next contact."""
    reached = outcome is Reached.REACHED
    await tx.sql.execute(
        update(FollowUpTask)
        .where(
            FollowUpTask.hub_id == case.hub_id,
            FollowUpTask.follow_up_id == task["follow_up_id"],
        )
        .values(
            attempts=FollowUpTask.attempts + 1,
            **({"done_at": at, "outcome": outcome.value} if reached else {}),
        )
    )
    if not reached:
        return
    again = follow_up_schedule.following(ContactPurpose(task["kind"]), task["day"], at)
    await follow_up_schedule.wait(tx, case.hub_id, case.case_id, again)
    await tx.sql.execute(
        update(FeverCase)
        .where(FeverCase.hub_id == case.hub_id, FeverCase.case_id == case.case_id)
        .values(due_at=func.greatest(FeverCase.due_at, at + timedelta(days=1)), late_since=None)
    )


def spaced_attempts(failed: Iterable[datetime], spacing: timedelta) -> list[datetime]:
    """Those of the moments that are so far from the one counted before, oldest first."""
    told: list[datetime] = []
    for moment in sorted(failed):
        if not told or moment - told[-1] >= spacing:
            told.append(moment)
    return told


async def require_failed_attempts(tx: Reading, case: LockedCase, figures: Parameters) -> None:
    """Raise `TransitionRefused` unless so many attempts in a row have failed lately.

    Nobody who is followed up is lost before somebody has looked for them as the policy says:
    so often, and over so long a time.
    """
    if case.state not in {CaseState.IN_CARE, CaseState.FOLLOWING_UP}:
        return
    found = await tx.sql.execute(
        select(Attempt.outcome, Attempt.recorded_at)
        .where(Attempt.hub_id == case.hub_id, Attempt.case_id == case.case_id)
        .order_by(Attempt.recorded_at.desc(), Attempt.attempt_id.desc())
        .limit(LATEST)
    )
    latest = takewhile(lambda row: row.outcome != Reached.REACHED, found)
    apart, wanted = timedelta(hours=figures.lost_apart_hours), figures.lost_after_attempts
    told = spaced_attempts((row.recorded_at for row in latest), apart)
    if len(told) < wanted:
        detail = (
            f"Somebody is lost after {wanted} attempts in a row to reach them, each"
            f" {figures.lost_apart_hours} h or more after the one before;"
            f" so far {len(told)} count."
        )
        if told:
            detail += f" The next counts from {told[-1] + apart:%Y-%m-%dT%H:%M:%SZ}."
        raise TransitionRefused(detail)


async def plan_of(
    tx: Reading, hub_id: str, case_id: UUID, limit: int
) -> tuple[list[RowMapping], list[RowMapping]]:
    """The contacts of a case by when they are due, and the attempts, oldest first.

    With those of cases that were merged into it.
    """
    whole = await episodes.case_ids(tx, hub_id, case_id)
    found = await tx.sql.execute(
        select(FollowUpTask.__table__)
        .where(FollowUpTask.hub_id == hub_id, FollowUpTask.case_id.in_(whole))
        .order_by(FollowUpTask.due_at, FollowUpTask.follow_up_id)
        .limit(limit)
    )
    tried = await idempotent_facts.of_case(tx, Attempt, hub_id, whole, limit)
    return list(found.mappings()), tried
