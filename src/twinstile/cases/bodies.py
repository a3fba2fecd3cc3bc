"""Bodies of the requests and answers about cases."""

from datetime import datetime
from uuid import UUID

from pydantic import Field, StrictBool

from twinstile.cases.types import CaseEvent, CaseOrigin, CaseState, Disposition
from twinstile.identity.types import DocumentKind
from twinstile.platform.access import IDENTIFIED, Purpose, Why
from twinstile.platform.fields import Answer, Body, Line, Moment


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


class CasePage(Answer):
    cases: list[CaseAnswer]
    next: str | None = Field(description="cursor of the next page; null on the last")


class DispositionBody(Body):
    code: Disposition
    receiver: Line | None = Field(
        default=None,
        description="who is to answer for the patient",
        examples=["First People's Hospital"],
    )
    decided_at: Moment
    reason: Line | None = None
    consent: StrictBool | None = Field(
        default=None, description="whether the traveller agrees, where the code asks for it"
    )


class DispositionAnswer(Answer):
    disposition_id: UUID
    code: Disposition
    receiver: str | None
    reason: str | None
    consent: bool | None
    decided_at: datetime
    recorded_at: datetime
    operator_id: UUID
    state: CaseState = Field(description="what the decision moved the case to")


class TransitionBody(Body):
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


class CaseWhole(CaseAnswer):
    dispositions: list[DispositionAnswer] = Field(description="oldest first; the last is final")
    transitions: list[TransitionAnswer] = Field(
        description="oldest first, at most the last 500"
    )
    alarms: list[AlarmAnswer] = Field(
        description="further alarms that joined this case; oldest first, at most the last 100"
    )


class RevealBody(Why):
    purpose: Purpose | None = Field(
        default=None,
        description="without one that fits: 403 `purpose-required`",
        examples=["TREATMENT"],
    )


class PersonAnswer(Answer):
    case_id: UUID
    masked: bool = Field(description="whether name and number are shown in part only")
    name: str | None = Field(examples=["张*"], json_schema_extra=IDENTIFIED)
    document_kind: DocumentKind
    document_number: str = Field(examples=["770101********0079"], json_schema_extra=IDENTIFIED)
    document_issuer: str | None
    synthetic: bool = Field(description="nobody has this document: it was made for exercises")
