"""Bodies of declarations, as their traveller and as a gate sees them."""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
)

from twinstile.declarations import codes
from twinstile.declarations.types import (
    MOST_WORDS,
    Answers,
    AppealSubject,
    Decided,
    DeclarationStatus,
)
from twinstile.platform.http.field_types import Answer, Body, LanguageTag, Slug, plain
from twinstile.screening.claim_words import DeclarationSource, Symptom, Tristate
from twinstile.screening.types import ReminderKind, ScreeningState

PassCode = Annotated[
    str,
    StringConstraints(pattern=codes.SHOWN_PATTERN, strict=True),
    BeforeValidator(plain),
]
Text = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1000, strict=True),
    BeforeValidator(plain),
    Field(json_schema_extra={"pattern": r"^[^\u0000-\u0008\u000b-\u001f\u007f]*$"}),
]


class PassReport(Answer):
    """What became of the declaration that was shown."""

    model_config = ConfigDict(from_attributes=True)

    standing: DeclarationStatus
    help: bool = Field(description="wants help, or travels with people under their care")


class AnswersBody(Body):
    """The four answers; none of them may be left out."""

    symptoms: Annotated[tuple[Symptom, ...], Field(max_length=16)] = Field(
        description="in the past 14 days; UNWELL where nobody asked which", examples=[[]]
    )
    contact: Tristate = Field(description="met somebody ill in the past 14 days")
    fever_medicine: StrictBool = Field(description="took some within 72 hours")
    help: StrictBool = Field(description="wants help, or travels with people under their care")

    def said(self) -> Answers:
        """The answers as they are kept."""
        return Answers(frozenset(self.symptoms), self.contact, self.fever_medicine, self.help)


class DeclarationBody(AnswersBody):
    """A declaration before arrival."""

    key: UUID = Field(
        description="yours and secret, new for each declaration (UUIDv4): the same again within"
        " ten minutes gets the same receipt",
        examples=["6f3d1c1e-8f0b-4d53-9a35-0d7b8a0f5a11"],
    )
    hub: Slug | None = Field(default=None, description="this station, unless given")
    language: LanguageTag = Field(description="of the traveller", examples=["zh-CN"])


class DeclarationReceiptAnswer(Answer):
    """What the traveller keeps. The receipt is told here and nowhere else."""

    receipt: str = Field(
        description="bearer token of `/v1/declarations/own`: whoever has it reads the report",
        examples=["tsr.hub.ABCDEFGHIJKLMNOPQRSTUVWXYZ"],
    )
    pass_code: str = Field(
        description="the text of the QR code to show at the gate; it opens nothing",
        examples=["TWD1ABCDEFGHIJKLMNOPQRSTUVWXYZ"],
    )
    made_at: datetime
    good_until: datetime = Field(description="counts at a gate until then")
    kept_until: date = Field(description="the last day it is kept on, at the hub")
    calm: bool = Field(description="false: the traveller is asked to come to staff first")


class DeclaredAnswers(Answer):
    symptoms: list[Symptom]
    contact: Tristate
    fever_medicine: bool
    help: bool

    @classmethod
    def of(cls, answers: Answers) -> Self:
        """The answers as they were said."""
        return cls(
            symptoms=sorted(answers.symptoms),
            contact=answers.contact,
            fever_medicine=answers.fever_medicine,
            help=answers.help,
        )


class WordAnswer(Answer):
    model_config = ConfigDict(from_attributes=True)

    revision: int
    said_at: datetime


class VisitReport(Answer):
    """The passage the declaration counted for, as far as it is the traveller's to know."""

    model_config = ConfigDict(from_attributes=True)

    state: ScreeningState
    checkpoint: str | None
    opened_at: datetime
    closed_at: datetime | None
    reminders: list[str] = Field(description="R1 before arrival, R2 in the hub")
    verifications: list[str]
    services: list[str] = Field(description="S1 help at the lane, S2 onward service")
    measures: list[dict[str, object]] = Field(description="what was ordered, with its dates")


class AppealReport(Answer):
    model_config = ConfigDict(from_attributes=True)

    appeal_id: UUID
    about: AppealSubject
    text: str
    made_at: datetime
    due_at: datetime = Field(description="until when it is to be answered")
    decided: Decided | None = Field(description="null: not answered yet")
    answer: str | None
    answered_at: datetime | None


class ReportAnswer(Answer):
    """Everything that is kept under this receipt."""

    pass_code: str
    short_code: str | None = Field(description="of one made at a desk")
    source: DeclarationSource
    language: str
    made_at: datetime
    good_until: datetime
    kept_until: date
    revision: int = Field(description="send it with a correction")
    answers: DeclaredAnswers
    words: list[WordAnswer] = Field(description="when it was said, and each correction")
    reminded_at: datetime | None = Field(description="when the reminder was acknowledged")
    presented_at: datetime | None
    passage: VisitReport | None = Field(description="null: it was not shown at a check yet")
    appeals: list[AppealReport]


class CorrectionBody(AnswersBody):
    revision: Annotated[StrictInt, Field(ge=1, le=MOST_WORDS)] = Field(
        description="of what you read before"
    )


class CorrectedAnswer(Answer):
    revision: int
    said_at: datetime
    good_until: datetime
    calm: bool


class ReminderReadBody(Body):
    kind: Literal[ReminderKind.R1] = Field(examples=["R1"])


class ReminderReadAnswer(Answer):
    reminded_at: datetime


class AppealBody(Body):
    about: AppealSubject
    text: Text = Field(
        description="in your own words, in any language",
        examples=["I was sent to the second check, but my test was of yesterday."],
    )
