"""Bodies of what a traveller claims in a check: a test, an itinerary, a declaration."""

import operator
from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool, StringConstraints
from pydantic_core import PydanticCustomError

from twinstile.platform.http.field_types import Body, Moment, ServiceDay
from twinstile.policy import areas
from twinstile.screening.claim_words import (
    DeclarationSource,
    ItinerarySource,
    SampleKind,
    SampleResult,
    Symptom,
    Tristate,
)
from twinstile.screening.claims import Claims
from twinstile.screening.types import Category


def _placed(code: str) -> str:
    if code == areas.HOME_COUNTRY:
        raise PydanticCustomError("invalid-format", "a place in China has a GB/T 2260 code")
    return code


AreaCode = Annotated[
    str, StringConstraints(pattern=areas.PATTERN, strict=True), AfterValidator(_placed)
]


class SampleBody(Body):
    """A laboratory or antigen test as shown."""

    kind: SampleKind
    result: SampleResult
    sampled_at: Moment


class VisitedPlaceBody(Body):
    """A place somebody was at."""

    code: AreaCode = Field(
        description="GB/T 2260 (2, 4 or 6 digits), with 9 digits a street, or an ISO 3166 "
        "country in three letters",
        examples=["610113"],
    )
    left_on: ServiceDay | None = Field(default=None, description="null: nobody knows")


class ItineraryBody(Body):
    """Where the traveller was, and who says so. An officer's word replaces the others."""

    source: ItinerarySource
    starred: StrictBool = Field(
        default=False, description="the itinerary card marks a city with a risk area"
    )
    areas: Annotated[tuple[VisitedPlaceBody, ...], Field(max_length=16)] = ()


class HealthClaimBody(Body):
    """What the traveller says of their health."""

    symptoms: Annotated[tuple[Symptom, ...], Field(max_length=16)] = ()
    contact: Tristate = Field(
        default=Tristate.NOT_STATED, description="met somebody ill in the past 14 days"
    )
    fever_medicine: StrictBool = Field(default=False, description="took some within 72 hours")
    source: DeclarationSource | None = Field(
        default=None,
        description="how it came; no rule reads it",
        exclude_if=operator.not_,  # a check sent again keeps its fingerprint
    )


class ClaimFields(Body):
    """The members of a check that claims are read from."""

    category: Category | None = Field(
        default=None, description="TRAVELLER unless this or an earlier check says otherwise"
    )
    test: SampleBody | None = None
    itinerary: ItineraryBody | None = None
    declaration: HealthClaimBody | None = None


MEMBERS = set(ClaimFields.model_fields)


def claims(body: ClaimFields) -> Claims | None:
    """What the check claims; None if it claims nothing."""
    test, itinerary, declaration = body.test, body.itinerary, body.declaration
    if not (body.category or test or itinerary or declaration):
        return None
    return Claims(
        category=body.category,
        tests=frozenset({(test.kind, test.result, test.sampled_at)} if test else ()),
        source=itinerary.source if itinerary else None,
        starred=bool(itinerary and itinerary.starred),
        stays=tuple((areas.normal(s.code), s.left_on) for s in itinerary.areas)
        if itinerary
        else (),
        declared=declaration is not None,
        symptoms=frozenset(declaration.symptoms if declaration else ()),
        contact=declaration.contact if declaration else Tristate.NOT_STATED,
        fever_medicine=bool(declaration and declaration.fever_medicine),
    )
