"""What a step must bring beside its reason: one table, judged in one place.

A step that lacks a particular is refused before anything is looked up; a fact of a batch that
lacks one is kept aside. Free text cannot be kept from naming somebody but by saying so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, StrictBool

from twinstile.platform.http.field_types import Body, Line, Moment, Slug, Word
from twinstile.platform.http.problems import FieldFault, InvalidInput
from twinstile.policy.types import AlternativeOffer, Parameters
from twinstile.screening.types import ScreeningEvent

_E = ScreeningEvent
NO_TRAVELLER: Final = "; a duty number or office, never a traveller's name"


class RefusedPart(StrEnum):
    """What a traveller refuses."""

    TEMPERATURE = "TEMPERATURE"
    DOCUMENT = "DOCUMENT"
    CREDENTIAL = "CREDENTIAL"
    TEST = "TEST"
    OTHER = "OTHER"


class Matched(StrEnum):
    """Which data closed a deferral."""

    CREDENTIAL = "CREDENTIAL"
    TEST_RESULT = "TEST_RESULT"
    TICKET_GATE = "TICKET_GATE"
    MANIFEST = "MANIFEST"
    COMMUNITY_REPORT = "COMMUNITY_REPORT"
    TELEPHONE_CALL = "TELEPHONE_CALL"
    AUTHORITY_LIST = "AUTHORITY_LIST"
    HEALTH_STATUS = "HEALTH_STATUS"
    """What a health department's feed says since."""
    LATER_CHECK = "LATER_CHECK"
    """Another passage, which was cleared."""


class StepDetails(Body):
    """What is known of a step. Which of these a step needs and takes depends on its event."""

    refused: RefusedPart | None = None
    alternatives: Annotated[tuple[AlternativeOffer, ...], Field(max_length=8)] = Field(
        default=(), description="offered before; NONE_FITS stands alone"
    )
    witness: Word | None = Field(
        default=None, description=f"who saw it{NO_TRAVELLER}", examples=["desk 4"]
    )
    authority: Line | None = Field(
        default=None, description=f"which office orders or takes over{NO_TRAVELLER}"
    )
    legal_basis: Word | None = Field(
        default=None, description="code of the provision", examples=["CN-IDPCL-39"]
    )
    until: Moment | None = Field(default=None, description="when a lawful order ends")
    acknowledgement: Word | None = Field(
        default=None, description="number of the receiver's acknowledgement"
    )
    receiver: Line | None = Field(
        default=None, description=f"who answers from now on{NO_TRAVELLER}"
    )
    consent: StrictBool | None = Field(default=None, description="the traveller agreed")
    departure: Moment | None = Field(default=None, description="of the train, flight or ship")
    service_no: Word | None = Field(default=None, description="its number")
    zone: Slug | None = Field(default=None, description="where somebody in transit stays")
    escort: Word | None = Field(default=None, description=f"who goes along{NO_TRAVELLER}")
    seen_by: Word | None = Field(default=None, description=f"who saw them board{NO_TRAVELLER}")
    last_lane: Slug | None = Field(default=None, description="where they were seen last")
    last_seen_at: Moment | None = None
    matched: Matched | None = None
    reference: Word | None = Field(
        default=None, description="number of a result, ticket or file; no document's number"
    )
    provider: Slug | None = Field(default=None, description="who did not answer")
    separation_reason: Line | None = Field(
        default=None, description="why a minor and the guardian are parted"
    )

    def told(self) -> dict[str, object]:
        """What was brought, as it is stored and shown."""
        return self.model_dump(mode="json", exclude_defaults=True)


@dataclass(frozen=True, slots=True)
class _Terms:
    needs: frozenset[str] = frozenset()
    takes: frozenset[str] = frozenset()


def _terms(needs: str = "", takes: str = "") -> _Terms:
    return _Terms(frozenset(needs.split()), frozenset(takes.split()))


_RETURN = _terms("consent", "departure service_no reference witness separation_reason")
_DATA = _terms("matched", "reference")
TERMS: Final[Mapping[ScreeningEvent, _Terms]] = {
    _E.REFUSE: _terms("refused alternatives witness"),
    _E.LAWFUL_ORDER: _terms("authority legal_basis until", "reference separation_reason"),
    _E.CUSTODY: _terms("authority acknowledgement", "legal_basis separation_reason"),
    _E.DENY_BOARDING: _terms("witness", "legal_basis service_no separation_reason"),
    _E.RETURN_CHOSEN: _RETURN,
    _E.POLICY_RETURN: _RETURN,
    _E.BOARDED: _terms("seen_by", "service_no departure"),
    _E.ABSCONDED: _terms("last_lane last_seen_at", "witness"),
    _E.HANDOVER_ACK: _terms("receiver", "acknowledgement separation_reason"),
    _E.TRANSIT_DECLARED: _terms("departure zone", "service_no escort"),
    _E.TRANSIT_OK: _terms("departure", "service_no zone escort"),
    _E.CONNECTION_BOARDED: _terms("seen_by", "service_no departure"),
    _E.EXIT_CHOSEN: _terms("", "witness"),
    _E.PROVIDER_UNAVAILABLE: _terms("provider"),
    _E.MATCHED_CLEAR: _DATA,
    _E.MATCHED_CONDITIONS: _DATA,
    _E.MATCHED_RISK: _terms("matched receiver", "reference acknowledgement separation_reason"),
    _E.CONFIRMED_ABNORMAL: _terms("", "separation_reason"),
}
"""What each event needs and what else it takes; an event that is not here takes nothing."""

_NOTHING: Final = _terms()
_AHEAD: Final = {"until": timedelta(days=14), "departure": timedelta(hours=48)}
_BEHIND: Final = {"last_seen_at": timedelta(hours=24)}
_SLACK: Final = timedelta(minutes=5)


def judge(event: ScreeningEvent, at: datetime, brought: StepDetails) -> None:
    """Compare what a step of that moment brings with what it needs. Raises `InvalidInput`."""
    faults = [
        FieldFault(f"/particulars/{name}", code) for name, code in _faults(event, brought, at)
    ]
    if faults:
        raise InvalidInput(errors=faults)


def judge_refusal(brought: StepDetails, parameters: Parameters) -> None:
    """A measurement is refused by whom the policy's other ways were offered, if any fits.

    Raises `InvalidInput`.
    """
    offered = {AlternativeOffer.NONE_FITS, *parameters.refusal_alternatives}
    if brought.refused is RefusedPart.TEMPERATURE and offered.isdisjoint(brought.alternatives):
        raise InvalidInput(errors=[FieldFault("/particulars/alternatives", "not-offered")])


def _faults(
    event: ScreeningEvent, brought: StepDetails, at: datetime
) -> Iterator[tuple[str, str]]:
    terms, there = TERMS.get(event, _NOTHING), brought.told()
    yield from ((name, "missing") for name in sorted(terms.needs - set(there)))
    known = terms.needs | terms.takes
    yield from ((name, "unknown-field") for name in there if name not in known)
    if "consent" in known and brought.consent is False:
        yield "consent", "needs-consent"
    if AlternativeOffer.NONE_FITS in brought.alternatives and len(brought.alternatives) > 1:
        yield "alternatives", "out-of-range"
    for name, longest in _AHEAD.items():
        moment: datetime | None = getattr(brought, name)
        if moment is not None and not at - _SLACK < moment <= at + longest:
            yield name, "out-of-range"
    for name, longest in _BEHIND.items():
        moment = getattr(brought, name)
        if moment is not None and not at - longest <= moment <= at + _SLACK:
            yield name, "out-of-range"
