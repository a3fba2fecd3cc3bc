"""The document part of request bodies, and how it becomes an identity."""

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from twinstile.identity import contacts, documents, mrz, regions
from twinstile.identity.regions import Regions
from twinstile.identity.types import (
    Contact,
    ContactKind,
    ContactOwner,
    DocumentHolder,
    DocumentKind,
    Finding,
    IdentityResult,
    InvalidText,
    ReadDocument,
)
from twinstile.identity.vault import Identity
from twinstile.platform.http.field_types import Body, Day, Line, Word
from twinstile.platform.http.problems import FieldFault, InvalidInput
from twinstile.platform.ops.settings import Settings
from twinstile.platform.security.hub_modes import HubMode

__all__ = [
    "ContactForm",
    "DocumentContext",
    "DocumentForm",
    "IdentityResult",
    "SyntheticDocument",
    "document_context",
    "identify",
    "reach",
]


class SyntheticDocument(InvalidInput):
    """Taken as real it would be a passage of nobody among those of people."""

    slug = "synthetic-document"
    title = "This hub is for real people: no invented document is taken"


MrzLine = Annotated[Line, Field(max_length=90)]


@dataclass(frozen=True, slots=True)
class DocumentContext:
    """What documents are read by: the hub and its date, invented numbers, known divisions."""

    mode: HubMode
    today: dt.date
    synthetic: tuple[str, ...]
    divisions: Regions


def document_context(settings: Settings, mode: HubMode, at: dt.datetime) -> DocumentContext:
    """The terms of a hub at a moment. Raises `InvalidFile`."""
    return DocumentContext(
        mode,
        at.astimezone(settings.zone).date(),
        settings.synthetic_id_prefixes,
        regions.load(settings.regions_file),
    )


class DocumentForm(Body):
    """A document as typed, read by a chip reader, or its machine-readable zone."""

    kind: DocumentKind
    number: Word | None = Field(default=None, examples=["770101199002010079"])
    issuer: Word | None = Field(
        default=None,
        description="ICAO code of the issuing state; for papers without one, who gave it",
    )
    name: Line | None = Field(default=None, examples=["张伟"])
    birth_date: Day | None = None
    mrz: Annotated[list[MrzLine], Field(min_length=1, max_length=3)] | None = Field(
        default=None, description="the lines of the machine-readable zone (ICAO Doc 9303)"
    )

    @model_validator(mode="after")
    def _has_number(self) -> Self:
        if (self.number is None) == (self.mrz is None):
            raise PydanticCustomError("missing", "either a number or the lines of the zone")
        return self


class ContactForm(Body):
    """An address for messages about the journey, used for nothing else."""

    channel: ContactKind
    value: Line = Field(
        description="a number, an address or an application's own name; never shown again",
        examples=["+86 139 0000 0000"],
    )
    owner: ContactOwner


def reach(form: ContactForm, pointer: str) -> Contact:
    """The address as it is written to. Raises `InvalidInput` pointing below `pointer`."""
    try:
        return Contact(form.channel, form.owner, contacts.read(form.channel, form.value))
    except InvalidText:
        fault = FieldFault(f"{pointer}/value", "invalid-format")
        raise InvalidInput(errors=[fault]) from None


def identify(
    form: DocumentForm, pointer: str, terms: DocumentContext
) -> tuple[Identity, frozenset[Finding]]:
    """Who the form speaks of and what reading it found.

    A birth date nobody present can have is a finding, and otherwise as if it were not given.
    Raises `InvalidInput` pointing below `pointer` for text that no document can carry;
    `SyntheticDocument` at a hub for real people.
    """
    try:
        read = _read(form, terms)
    except mrz.InvalidZone:
        raise InvalidInput(errors=[FieldFault(f"{pointer}/mrz", "invalid-format")]) from None
    except InvalidText:
        fault = FieldFault(f"{pointer}/{_unreadable(form)}", "invalid-text")
        raise InvalidInput(errors=[fault]) from None
    if terms.mode is HubMode.PRODUCTION and Finding.SYNTHETIC in read.findings:
        place = "mrz" if form.mrz is not None else "number"
        raise SyntheticDocument(errors=[FieldFault(f"{pointer}/{place}", "unknown-value")])
    born, findings = form.birth_date, read.findings
    if born is not None and not documents.plausible_birth(born, terms.today):
        doubts = {*findings, Finding.IMPLAUSIBLE_DATE} - {Finding.VALID}
        born, findings = None, documents.conclude(doubts)
    holder = DocumentHolder(
        form.name or read.holder.name, read.holder.birth_date or born, read.holder.sex
    )
    return Identity(read.document, holder), findings


def _read(form: DocumentForm, terms: DocumentContext) -> ReadDocument:
    if form.mrz is not None:
        return mrz.read(form.mrz, today=terms.today, declared=form.kind).read
    return documents.read(
        form.kind,
        form.number or "",
        today=terms.today,
        issuer=form.issuer,
        synthetic=terms.synthetic,
        divisions=terms.divisions,
    )


def _unreadable(form: DocumentForm) -> str:
    try:
        documents.normalise(form.number or "")
    except InvalidText:
        return "number"
    return "issuer"
