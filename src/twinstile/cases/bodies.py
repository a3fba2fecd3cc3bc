"""Bodies of the requests and answers about cases."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StrictBool, StrictFloat
from pydantic_core import PydanticCustomError
from sqlalchemy import RowMapping

from twinstile.cases.types import (
    Care,
    CaseEvent,
    CaseOrigin,
    CaseState,
    Disposition,
    Means,
    MergeCause,
    Reply,
    Severity,
    Wait,
)
from twinstile.identity.types import DocumentKind
from twinstile.platform.http.field_types import (
    Answer,
    Body,
    Line,
    Moment,
    ServiceDay,
    Slug,
    Word,
)
from twinstile.platform.security.access_log import IDENTIFIED
from twinstile.policy.vocabulary import SYMPTOMS


class CaseAnswer(Answer):
    case_id: UUID
    case_no: str = Field(
        description="for people: day of entry and number", examples=["20261124-001"]
    )
    screening_id: UUID
    run_id: UUID | None
    origin: CaseOrigin
    state: CaseState
    opened_at: datetime
    state_since: datetime
    due_at: datetime | None = Field(description="when the state is overdue; null once closed")
    closed_at: datetime | None
    first_c: float | None = Field(description="first reading, °C")
    peak_c: float | None = Field(description="highest reading, °C")
    sex: str | None = Field(description="MALE, FEMALE, UNSPECIFIED; null: nobody looked")
    age_years: int | None
    severity: Severity | None = Field(description="as found last; null: nobody has said")
    facility_id: str | None = Field(
        description="where it was sent last, if the hub has entered that receiver"
    )
    late_since: datetime | None = Field(description="since when the state is overdue")
    followed_by: UUID | None = Field(
        description="of a merged case the one that goes on with it; null: it is its own"
    )


class CasePage(Answer):
    cases: list[CaseAnswer]
    next: str | None = Field(description="cursor of the next page; null on the last")


class DispositionAnswer(Answer):
    disposition_id: UUID
    code: Disposition
    receiver: str | None
    reason: str | None
    consent: bool | None
    particulars: dict[str, object]
    decided_at: datetime
    recorded_at: datetime
    operator_id: UUID
    state: CaseState = Field(description="what the decision moved the case to")


class AcknowledgementBody(Body):
    reply: Reply
    reference: Word | None = Field(
        default=None, description="the receiver's number of it", examples=["A-17"]
    )
    reason: Line | None = Field(default=None, description="needed with a no")
    said_at: Moment


class AcknowledgementAnswer(Answer):
    acknowledgement_id: UUID
    disposition_id: UUID
    reply: Reply
    reference: str | None
    reason: str | None
    said_at: datetime
    recorded_at: datetime
    operator_id: UUID | None


def _symptom(word: str) -> str:
    if word not in SYMPTOMS:
        raise PydanticCustomError("enum", "a symptom of the vocabulary")
    return word


Symptom = Annotated[Word, AfterValidator(_symptom), Field(examples=["COUGH"])]


class OriginNoticeBody(Body):
    office: Line = Field(
        description="which office of the place of origin was told; no traveller's name",
        examples=["Quzhou epidemic command"],
    )
    by: Means
    reference: Word | None = Field(default=None, description="the office's number of it")
    told_at: Moment


class OriginNoticeAnswer(Answer):
    notice_id: UUID
    disposition_id: UUID = Field(description="by which the patient was sent back")
    office: str
    by: Means
    reference: str | None
    told_at: datetime
    recorded_at: datetime
    operator_id: UUID | None


class AssessmentBody(Body):
    severity: Severity
    symptoms: Annotated[tuple[Symptom, ...], Field(max_length=len(SYMPTOMS))] = ()
    onset_on: ServiceDay | None = Field(
        default=None, description="the day of the first symptom, if known"
    )
    reason: Line | None = Field(
        default=None, description="needed to find a patient less ill than before"
    )
    assessed_at: Moment


class ClinicalAssessmentAnswer(Answer):
    assessment_id: UUID
    severity: Severity
    symptoms: list[str]
    onset_on: date | None
    reason: str | None
    assessed_at: datetime
    recorded_at: datetime
    operator_id: UUID | None = Field(description="who found it; null: the patient's own report")


class StayBody(Body):
    room_id: Slug = Field(examples=["holding-1"])
    entered_at: Moment
    beyond_capacity: StrictBool = Field(
        default=False, description="true: although all places of the room are taken"
    )


class StayAnswer(Answer):
    stay_id: UUID
    room_id: str
    entered_at: datetime
    beyond_capacity: bool
    left_at: datetime | None = Field(description="null: the patient is in it")


class CareBody(Body):
    given: Annotated[tuple[Care, ...], Field(min_length=1, max_length=len(Care))]
    temperature_c: Annotated[StrictFloat, Field(ge=30, le=45)] | None = Field(
        default=None, description="°C, to a tenth"
    )
    note: Line | None = None
    given_at: Moment


class CareAnswer(Answer):
    care_id: UUID
    stay_id: UUID
    given: list[Care]
    temperature_c: float | None = Field(description="°C")
    note: str | None
    given_at: datetime
    recorded_at: datetime
    operator_id: UUID | None


def tenths(celsius: float | None) -> int | None:
    """A temperature as it is stored: in tenths of a degree."""
    return None if celsius is None else round(celsius * 10)


def with_celsius(row: RowMapping) -> dict[str, object]:
    """A row with its stored tenths of a degree as `temperature_c`."""
    stored = row["tenths"]
    return {**row, "temperature_c": None if stored is None else stored / 10}


class WaitAnswer(Answer):
    """What a case waits for beside the end of its state."""

    kind: Wait
    subject_id: UUID = Field(description="the stay, or the case")
    due_at: datetime = Field(description="when it rings, or rings again")
    late_since: datetime | None


class CaseTransitionBody(Body):
    id: UUID = Field(description="minted by the device; the same id is the same transition")
    event: CaseEvent = Field(examples=["dispatched"])
    at: Moment
    reason: Line = Field(examples=["ambulance has left"])


class TransitionAnswer(Answer):
    id: UUID
    at: datetime | None = Field(description="by the sender's clock; null: the hub's own alarm")
    recorded_at: datetime
    before: CaseState
    event: CaseEvent
    after: CaseState
    reason: str | None
    operator_id: UUID | None = Field(description="null: the clock, or a system")


class AlarmAnswer(Answer):
    """A further alarm of the same person while the case was open."""

    screening_id: UUID
    origin: CaseOrigin
    at: datetime


class MergeAnswer(Answer):
    """That a case became part of another, for both were one person's."""

    case_id: UUID = Field(description="which was merged, and is closed for good")
    case_no: str
    into_id: UUID = Field(description="into which")
    cause: MergeCause
    reason: str | None = Field(description="of the link of their documents")
    merged_at: datetime
    operator_id: UUID | None = Field(description="by whom; null: the round of the hour")
    undone_at: datetime | None = Field(description="when it turned out that they were two")
    undone_by: UUID | None
    undone_reason: str | None
    successor_id: UUID | None = Field(description="the case that goes on with it since then")


class CaseDetailAnswer(CaseAnswer):
    dispositions: list[DispositionAnswer] = Field(description="oldest first; the last is final")
    transitions: list[TransitionAnswer] = Field(
        description="oldest first, at most the last 500"
    )
    acknowledgements: list[AcknowledgementAnswer] = Field(
        description="what receivers said; oldest first, at most the last 100"
    )
    origin_notices: list[OriginNoticeAnswer] = Field(
        description="offices that were told of a return; oldest first, at most the last 100"
    )
    assessments: list[ClinicalAssessmentAnswer] = Field(
        description="how ill the patient was found; oldest first, at most the last 100"
    )
    stays: list[StayAnswer] = Field(
        description="rooms of the hub; oldest first, at most the last 100"
    )
    care: list[CareAnswer] = Field(
        description="looks at the patient there; oldest first, at most the last 100"
    )
    waits: list[WaitAnswer] = Field(description="the next first")
    merges: list[MergeAnswer] = Field(
        description="cases that became part of this one, whose facts are among these, or this "
        "one of another"
    )
    alarms: list[AlarmAnswer] = Field(
        description="further alarms that joined this case; oldest first, at most the last 100"
    )


class PersonAnswer(Answer):
    case_id: UUID
    masked: bool = Field(description="whether name and number are shown in part only")
    name: str | None = Field(examples=["张*"], json_schema_extra=IDENTIFIED)
    document_kind: DocumentKind
    document_number: str = Field(examples=["770101********0079"], json_schema_extra=IDENTIFIED)
    document_issuer: str | None
    synthetic: bool = Field(description="nobody has this document: it was made for exercises")
