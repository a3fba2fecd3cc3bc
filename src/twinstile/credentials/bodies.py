"""Bodies about credentials, shared with the room that records checks."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from twinstile.credentials.types import (
    AspectResult,
    Colour,
    CredentialOutcome,
    CredentialStatus,
    EvidenceKind,
    Freshness,
    Scheme,
    SubjectMatch,
)
from twinstile.identity.forms import DocumentForm
from twinstile.platform.http.field_types import Answer, Body, Word

LONGEST: Final = 7089
"""Characters: the digits of the largest QR code, as SMART Health Cards use it."""


class ScanChannel(StrEnum):
    """How the text was read."""

    CAMERA = "CAMERA"
    WEDGE = "WEDGE"  # a scanner that types as a keyboard does
    SERIAL = "SERIAL"
    MANUAL = "MANUAL"


def _printable(text: object) -> object:
    """No control characters, whatever a scanner puts behind a code; blanks may be content.

    So may be the wide blank, as an input method prints what a scanner types.
    """
    if not isinstance(text, str):
        return text
    text = text.rstrip("\r\n\t")
    if not text.replace("\u3000", " ").isprintable():
        raise PydanticCustomError("invalid-text", "control character or lone surrogate")
    return text


ScannedText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST, strict=True),
    BeforeValidator(_printable),
    Field(repr=False, description="exactly as the code has it", examples=["HC1:6BFOXN…"]),
]


class ScannedBody(Body):
    """What a reader read of a credential. Nothing of it is ever stored."""

    text: ScannedText
    channel: ScanChannel = ScanChannel.CAMERA
    rules: Word | None = Field(
        default=None,
        description="entry rules it has to meet, by their pack; null: none",
        examples=[None],
    )


class VerificationBody(ScannedBody):
    document: DocumentForm | None = Field(
        default=None, description="of the person at the lane; without it nobody is compared"
    )


class OutcomeTextAnswer(Answer):
    code: str
    text: str = Field(description="in the language asked for by Accept-Language")


class AssessmentAnswer(Answer):
    """What is known of a credential: five aspects, each by itself. Nothing of its content."""

    scheme: Scheme | None = Field(description="null: none that is known here")
    provider: str | None = Field(description="who was asked; null: nobody")
    colour: Colour = Field(description="green only if every aspect holds; unknown is not green")
    status: CredentialStatus = Field(description="the word a check keeps")
    outcome: CredentialOutcome
    text: str = Field(description="the outcome in words")
    reasons: list[OutcomeTextAnswer] = Field(description="everything that speaks against it")
    authenticity: AspectResult
    validity: AspectResult
    revocation: AspectResult = Field(description="YES: not revoked")
    policy: AspectResult
    subject_match: SubjectMatch
    match_reasons: list[OutcomeTextAnswer]
    unmet: list[OutcomeTextAnswer] = Field(description="entry rules it does not meet")
    issuer: str | None
    claimed_issuer: str | None = Field(
        description="whom a credential names that nobody on the list issued; not proven",
        examples=["FR"],
    )
    kinds: list[EvidenceKind]
    snapshot: int | None = Field(description="version of the trust list; null: none was asked")
    freshness: Freshness | None
    checked_at: datetime
