"""Answers that tell what is stored of checks and screenings."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from twinstile.platform.http.field_types import Answer
from twinstile.screening.bodies import CompletenessAnswer, MeasureAnswer
from twinstile.screening.types import AlertKind, ScreeningEvent, ScreeningState, Verdict


class CheckView(Answer):
    """A check as stored."""

    id: UUID
    screening_id: UUID
    lane_id: str | None
    device_id: UUID
    operator_id: UUID | None
    observed_at: datetime
    received_at: datetime
    clock_offset_ms: int
    clock_suspect: bool
    offline: bool
    evidence: dict[str, object]
    verdict: Verdict
    state: ScreeningState
    reasons: list[dict[str, str]]
    measures: list[MeasureAnswer]
    policy_version: str
    case_id: UUID | None


class ScreeningView(Answer):
    """What is true of a screening now."""

    screening_id: UUID
    run_id: UUID | None
    checkpoint: str | None
    state: ScreeningState
    opened_at: datetime
    state_since: datetime
    due_at: datetime | None
    closed_at: datetime | None
    referred_at: datetime | None
    case_id: UUID | None
    supersedes: UUID | None
    completeness: CompletenessAnswer


class StepView(Answer):
    at: datetime
    before: ScreeningState
    event: ScreeningEvent
    after: ScreeningState
    operator_id: UUID | None
    reason: str | None
    particulars: dict[str, object] = Field(description="what the step brought")


class AlertView(Answer):
    """An open alert of somebody, also of one who has passed."""

    alert_id: UUID
    kind: AlertKind
    raised_at: datetime
    facts: dict[str, object]


class ScreeningDetail(ScreeningView):
    """A screening with its checks, every step it took, and what its last check ordered."""

    checks: list[CheckView]
    steps: list[StepView]
    alerts: list[AlertView] = Field(description="open ones, of each kind at most one")
    measures: list[MeasureAnswer]


class ScreeningPage(Answer):
    screenings: list[ScreeningView]
    next: str | None = Field(description="cursor of the next page")
