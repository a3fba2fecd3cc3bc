"""Bodies of the screening's requests and answers, shared by the single and the batch route."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    ConfigDict,
    Field,
    SkipValidation,
    StrictBool,
    StrictFloat,
    StrictInt,
    model_validator,
)
from pydantic_core import PydanticCustomError

from twinstile.credentials.bodies import AssessmentAnswer, ScannedBody
from twinstile.credentials.types import CredentialKind, CredentialStatus
from twinstile.declarations.bodies import PassCode, PassReport
from twinstile.identity.forms import DocumentForm
from twinstile.identity.types import Finding, IdentityResult
from twinstile.platform.http.field_types import (
    Answer,
    Body,
    LanguageTag,
    Line,
    Moment,
    Slug,
    Word,
)
from twinstile.platform.security.hub_modes import HubMode
from twinstile.policy.types import MeasureAnchor, MeasureKind
from twinstile.screening import readings
from twinstile.screening.claim_bodies import ClaimFields
from twinstile.screening.offline_bodies import DecidedBody, MadeFor, Offset
from twinstile.screening.party_bodies import PartyBody, PartyReport
from twinstile.screening.transition_requirements import StepDetails
from twinstile.screening.types import (
    Emergency,
    Outcome,
    ReminderKind,
    ScreeningEvent,
    ScreeningState,
    ServiceKind,
    ServiceOutcome,
    TemperatureMethod,
    TemperatureSite,
    Verdict,
)

MIN_TENTHS, MAX_TENTHS = 300, 450
"""Readings outside these tenths of a degree Celsius are of no living person."""

MAX_ITEMS = 500

Counter = Annotated[
    StrictInt,
    Field(ge=1, le=2**53 - 1, description="the device's gapless count of facts, from 1"),
]


class FactStatus(StrEnum):
    """What became of a fact; a tablet may forget it on anything but `retry`."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT_KEPT = "conflict_kept"  # kept; another device had just finished this passage
    ASKED = "asked"  # a step that takes two persons waits for the second
    QUARANTINED = "quarantined"  # kept aside until somebody looks at it
    RETRY = "retry"


class TemperatureBody(Body):
    """One reading as the thermometer gave it."""

    value: Annotated[StrictFloat, Field(allow_inf_nan=False)] = Field(examples=[36.6])
    unit: Literal["C", "F"] = "C"
    method: TemperatureMethod
    site: TemperatureSite | None = None
    thermometer: Word | None = Field(
        default=None, description="serial number of the thermometer", examples=["IR-0731"]
    )
    error: Annotated[StrictFloat, Field(ge=0, le=2, allow_inf_nan=False)] | None = Field(
        default=None,
        description="its error band in °C; the policy's for the method unless given",
    )

    @model_validator(mode="after")
    def _of_a_living_person(self) -> Self:
        if not MIN_TENTHS <= readings.tenths(self.value, self.unit) <= MAX_TENTHS:
            raise PydanticCustomError("out-of-range", "between 30.0 and 45.0 degrees Celsius")
        return self


class CredentialBody(Body):
    """A health credential as the officer read it."""

    status: CredentialStatus
    kind: CredentialKind = CredentialKind.HEALTH_CODE


class IdentityMethod(StrEnum):
    """How the document was read."""

    READER = "READER"
    MRZ = "MRZ"
    MANUAL = "MANUAL"


class IdentityBody(Body):
    """The document and whether it belongs to the person who shows it."""

    document: DocumentForm | None = None
    result: IdentityResult
    method: IdentityMethod = IdentityMethod.READER


class ServiceOffer(Body):
    kind: ServiceKind
    outcome: ServiceOutcome


class CheckFact(ClaimFields):
    """One passage of one person past one device. Each part may be missing."""

    observed_at: Moment = Field(description="when it happened, by the device's clock")
    offline: StrictBool = Field(default=False, description="decided without the service")
    decided: DecidedBody | None = Field(
        default=None, description="how, if so: kept beside what the service decides"
    )
    screening_id: UUID | None = Field(default=None, description="the passage this belongs to")
    run_id: UUID | None = Field(default=None, description="the run the traveller names")
    lane_id: Slug | None = Field(default=None, description="the device's own lane unless given")
    temperature: TemperatureBody | None = None
    credential: CredentialBody | None = None
    identity: IdentityBody | None = None
    reminders: Annotated[tuple[ReminderKind, ...], Field(max_length=2)] = ()
    language: LanguageTag | None = Field(
        default=None,
        description="in which the reminders of this check were said",
        examples=["ja"],
    )
    services: Annotated[tuple[ServiceOffer, ...], Field(max_length=8)] = ()
    pass_code: PassCode | None = Field(
        default=None,
        description="of the traveller's declaration: the square as scanned, or the eight digits"
        " of a slip. Kept nowhere; what was declared becomes the declaration of this check",
        examples=[None],
    )
    assistance: StrictBool = False
    illness: StrictBool = Field(default=False, description="visibly severely ill")
    party: PartyBody | None = Field(default=None, description="with whom somebody travels")
    emergency: Emergency | None = Field(
        default=None, description="opens a case at once, whoever it is; the rest may be missing"
    )


class CheckBody(CheckFact):
    """A check sent by itself."""

    scanned: ScannedBody | None = Field(
        default=None,
        exclude=True,  # from everything that is made of a body: it is stored nowhere
        description="what was read of the credential: what the service finds takes the place "
        "of `credential.status` (send PENDING). Never stored; in a batch there is none",
    )
    made_for: MadeFor = None
    counter: Counter
    sent_at: Moment = Field(description="the device's clock at sending; gives the offset")


class ReminderBody(Body):
    """A reminder given to a run (R1) or at a checkpoint (R2)."""

    kind: ReminderKind
    run_id: UUID | None = Field(default=None, examples=["019ac3d2-7f10-7c3e-9d53-2b8a51f0c9e4"])
    checkpoint: Slug | None = None
    channel: Word = Field(
        description="how: `onboard-broadcast`, `broadcast` in the hall, `screen`, `spoken` …",
        examples=["onboard-broadcast"],
    )
    language: Word = Field(examples=["zh-CN"])
    given_at: Moment
    until: Moment | None = Field(
        default=None,
        examples=["2026-11-24T08:45:30+08:00"],
        description="of a loop or a screen: when it was last seen to run; not in the future, "
        "and at most four hours on",
    )


class ServiceBody(Body):
    """Help offered outside a check."""

    screening_id: UUID
    kind: ServiceKind
    outcome: ServiceOutcome
    given_at: Moment


class StepBody(Body):
    """A step a person on duty takes."""

    event: ScreeningEvent = Field(examples=["refuse"])
    at: Moment
    reason: Line = Field(examples=["wants no reading of the forehead"])
    particulars: StepDetails = Field(
        default=StepDetails(),
        description="what this event needs, see docs/api.md",
        examples=[
            {
                "refused": "TEMPERATURE",
                "alternatives": ["OTHER_DEVICE", "SAME_SEX_STAFF"],
                "witness": "desk 4",
            }
        ],
    )


class TransitionBody(StepBody):
    """The same as a fact of a batch."""

    screening_id: UUID


class StepAnswer(Answer):
    status: FactStatus
    state: ScreeningState


class FactKind(StrEnum):
    """What a tablet hands over."""

    CHECK = "check"
    REMINDER = "reminder"
    SERVICE = "service"
    TRANSITION = "transition"
    SHIFT = "shift"


class FactBody(Body):
    """One fact of a batch. Its body is judged by itself, so that it alone is at fault."""

    kind: FactKind
    id: UUID
    counter: Counter
    shift_id: UUID | None = Field(
        default=None, description="the shift it was made in, when sent with a device token"
    )
    clock_offset_ms: Offset = None
    body: dict[str, object] = Field(
        description="CheckFact, ReminderBody, ServiceBody, TransitionBody or ShiftBody by kind",
        examples=[
            {
                "observed_at": "2026-11-24T08:15:30+08:00",
                "offline": True,
                "temperature": {"value": 36.6, "method": "WALK_THROUGH"},
            }
        ],
    )


class BatchBody(Body):
    sent_at: Moment
    made_for: MadeFor = None
    # Items are judged one by one, so that a bad one never sinks its neighbours.
    items: Annotated[list[SkipValidation[FactBody]], Field(min_length=1, max_length=MAX_ITEMS)]


class NextStep(StrEnum):
    """What the officer does now."""

    GO = "go"
    COMPLETE_EVIDENCE = "complete-evidence"
    ASSISTED_LANE = "assisted-lane"
    SECONDARY_AREA = "secondary-area"
    CALL_MEDIC = "call-medic"
    WAIT = "wait"
    GO_DEFERRED = "go-deferred"


class MeasureAnswer(Answer):
    """What is ordered of the traveller, with its dates."""

    model_config = ConfigDict(from_attributes=True)

    rule_id: str
    kind: MeasureKind
    mode: str | None
    anchor: MeasureAnchor | None
    anchored_on: date | None = Field(description="the day it counts from; day n is n later")
    assumed: bool = Field(description="nobody knows that day: arrival stands in for it")
    until: date | None = Field(description="the last day of what lasts")
    test_on: list[date]
    due_at: datetime | None


class OfferedMeasure(Answer):
    """A measure of an alternative; it gets dates when somebody decides for it."""

    model_config = ConfigDict(from_attributes=True)

    kind: MeasureKind
    mode: str | None
    days: int | None
    anchor: MeasureAnchor | None
    test_days: list[int]
    within_hours: int | None


class AlternativeAnswer(Answer):
    """What may be done instead: the published "or" of a rule."""

    outcome: Outcome
    text: str
    measures: list[OfferedMeasure]


class ReasonAnswer(Answer):
    rule_id: str
    code: str
    text: str = Field(description="in the language asked for by Accept-Language")
    discretion: bool = Field(description="an officer may decide otherwise, with a reason")
    alternatives: list[AlternativeAnswer]


class CompletenessAnswer(Answer):
    reminders: int
    verifications: int
    services: int
    complete: bool


class OpenSuspicionAnswer(Answer):
    """A suspicion that stood before the check and stands after it."""

    state: ScreeningState = Field(examples=["HELD"])
    since: datetime = Field(description="when that state was entered")
    alarm_celsius: float | None = Field(
        examples=[37.1], description="the first reading that alarmed; null: none did"
    )


class CheckAnswer(Answer):
    id: UUID
    mode: HubMode
    status: FactStatus
    screening_id: UUID
    verdict: Verdict
    state: ScreeningState
    reasons: list[ReasonAnswer]
    measures: list[MeasureAnswer]
    policy_version: str
    next_step: NextStep
    case_id: UUID | None
    case_no: str | None
    findings: list[Finding] = Field(description="what reading the document found; a hint")
    completeness: CompletenessAnswer
    party: PartyReport | None = Field(description="null also when the party is full")
    credential: AssessmentAnswer | None = Field(
        description="of what was scanned with this request; null: nothing was"
    )
    declaration: PassReport | None = Field(
        description="of the declaration that was shown by `pass_code`; null: none was"
    )
    stands: OpenSuspicionAnswer | None = Field(
        description="why the verdict may be another than this reading's: the passage was at "
        "the second check, held, refused or to return already; null: it was not"
    )


class FaultAnswer(Answer):
    type: str
    errors: list[dict[str, str]]


class FactAnswer(Answer):
    id: UUID | None
    status: FactStatus
    problem: FaultAnswer | None
    check: CheckAnswer | None


class BatchAnswer(Answer):
    items: list[FactAnswer] = Field(description="one for each item, in order")
    ack_through: int = Field(description="all counters up to this one have arrived")
    missing: list[tuple[int, int]] = Field(description="inclusive ranges not arrived yet")
