"""The records of our own specification (`canonical`): their members, forms and limits."""

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from typing_extensions import override

from twinstile.arrivals import records
from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.records import (
    LONGEST_KEY,
    LONGEST_VALID,
    AlertAction,
    DocumentClaim,
    Mode,
    Op,
    Record,
    RecordOrigin,
    RecordRefused,
    RunRef,
    RunStatus,
    StatusColour,
    TravellerRole,
    WatchReason,
)
from twinstile.identity import contacts
from twinstile.identity.types import Contact, ContactKind, ContactOwner, DocumentKind, Sex
from twinstile.policy import areas
from twinstile.policy.areas import Level

VERSION: Final = 1
_OF_ORIGIN: Final = frozenset({"v", "type", "key", "version", "observed_at"})
_CODE: Final = r"^[^\x00-\x1f\x7f\x{fffd}]*$"
Key: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=LONGEST_KEY, pattern=_CODE)
]
Text: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_CODE)]
Word: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_CODE)]
Language: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$")
]


class _CanonicalModel(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, hide_input_in_errors=True
    )


class _Part(_CanonicalModel, ABC):
    """A member that has members of its own, as `records` has it."""

    @abstractmethod
    def value_of(self) -> RunRef | DocumentClaim | Contact: ...


class _Run(_Part):
    scheme: Word
    service_no: Word
    service_date: dt.date
    aliases: tuple[Word, ...] = Field(default=(), max_length=20)
    internal_no: Key | None = None

    @override
    def value_of(self) -> RunRef:
        return RunRef(**dict(self))


class _Document(_Part):
    kind: DocumentKind
    number: Word
    issuer: Word | None = None
    name: Text | None = None
    birth_date: dt.date | None = None
    sex: Sex | None = None

    @override
    def value_of(self) -> DocumentClaim:
        return DocumentClaim(**dict(self))


class _Contact(_Part):
    kind: ContactKind
    owner: ContactOwner = ContactOwner.SELF
    value: Text

    @model_validator(mode="after")
    def _is_address(self) -> Self:
        contacts.read(self.kind, self.value)  # InvalidText is a ValueError
        return self

    @override
    def value_of(self) -> Contact:
        return Contact(self.kind, self.owner, contacts.read(self.kind, self.value))


class _Record(_CanonicalModel):
    v: Literal[1]
    key: Key
    """The sender's own of what the record speaks of; of a document nothing goes into it."""
    version: Annotated[int, Field(ge=0, lt=10**18)] | None = None
    observed_at: AwareDatetime | None = None

    def origin(self, row: int) -> RecordOrigin:
        return RecordOrigin(self.key, row, self.version, self.observed_at)

    def members(self) -> dict[str, Any]:  # pyright: ignore[reportExplicitAny] # of a record
        """The members of the record under its own names, but those of its origin."""
        names = type(self).model_fields.keys() - _OF_ORIGIN
        values = {name: getattr(self, name) for name in names}
        return {
            name: value.value_of() if isinstance(value, _Part) else value
            for name, value in values.items()
        }


class ArrivalLine(_Record):
    type: Literal["arrival"]
    op: Op = Op.UPSERT
    run: _Run
    mode: Mode
    status: RunStatus
    from_stop: Text | None = None
    to_stop: Text | None = None
    hub_stop: Text | None = None
    scheduled_arrival: AwareDatetime | None = None
    estimated_arrival: AwareDatetime | None = None
    actual_arrival: AwareDatetime | None = None
    platform: Word | None = None
    delay_s: Annotated[int, Field(ge=-172_800, le=172_800)] | None = None

    def record(self, row: int) -> Record:
        return records.ArrivalEvent(self.origin(row), **self.members())


class TravellerLine(_Record):
    type: Literal["traveller"]
    op: Op = Op.UPSERT
    run: _Run
    document: _Document | None
    role: TravellerRole = TravellerRole.PASSENGER
    coach: Word | None = None
    seat: Word | None = None
    board_stop: Word | None = None
    alight_stop: Word | None = None
    party: Word | None = None
    contact: _Contact | None = None
    languages: tuple[Language, ...] = Field(default=(), max_length=4)

    def record(self, row: int) -> Record:
        return records.ManifestRow(self.origin(row), **self.members())


class ListLine(_Record):
    """The travellers of a run in this delivery were all there are."""

    type: Literal["list"]
    run: _Run
    rows: Annotated[int, Field(ge=0, le=1_000_000)]
    roles: tuple[TravellerRole, ...] = Field(default=tuple(TravellerRole), min_length=1)


class AlertLine(_Record):
    type: Literal["alert"]
    op: Op = Op.UPSERT
    document: _Document | None = None
    kind: WatchReason | None = None
    authority: Text | None = None
    legal_basis: Text | None = None
    action: AlertAction = AlertAction.CHECK
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None

    def record(self, row: int) -> Record:
        """Raises `RecordRefused`."""
        _require(self, _OF_ALERTS)
        since, until = _period(self.op, self.valid_from, self.valid_to, "valid_to")
        if until > since + LONGEST_VALID:
            raise RecordRefused(RejectReason.VALID_TOO_LONG, "valid_to")
        members = self.members()
        members["kind"] = self.kind or WatchReason.DOCUMENT_INVALID
        members.update(authority=self.authority or "", legal_basis=self.legal_basis or "")
        members.update(valid_from=since, valid_to=until)
        return records.IdentityAlert(self.origin(row), **members)


class StatusLine(_Record):
    type: Literal["status"]
    op: Op = Op.UPSERT
    document: _Document | None = None
    issuer: Text | None = None
    colour: StatusColour = StatusColour.UNKNOWN
    issued_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    close_contact: bool = False

    def record(self, row: int) -> Record:
        """Raises `RecordRefused`."""
        _require(self, _OF_STATUSES)
        since, until = _period(self.op, self.issued_at, self.expires_at, "expires_at")
        members = self.members()
        members.update(issuer=self.issuer or "", issued_at=since, expires_at=until)
        return records.HealthStatus(self.origin(row), **members)


class AreaLine(_Record):
    type: Literal["area"]
    op: Op = Op.UPSERT
    code: Annotated[str, StringConstraints(pattern=areas.PATTERN)]
    level: Literal[Level.LOW, Level.CASES, Level.MEDIUM, Level.HIGH]
    since: dt.date
    until: dt.date

    def record(self, row: int) -> Record:
        """Raises `RecordRefused`."""
        if self.until < self.since:
            raise RecordRefused(RejectReason.INVALID, "until")
        return records.KeyAreaRecord(self.origin(row), **self.members())


CanonicalRecord: TypeAlias = Annotated[
    ArrivalLine | TravellerLine | ListLine | AlertLine | StatusLine | AreaLine,
    Field(discriminator="type"),
]

_NEVER: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
"""Of what is taken back, where only the key counts."""
_OF_ALERTS: Final[Mapping[str, RejectReason]] = {
    "document": RejectReason.MISSING,
    "kind": RejectReason.NO_HEALTH_REASON,
    "authority": RejectReason.MISSING,
    "legal_basis": RejectReason.NO_LEGAL_BASIS,
    "valid_from": RejectReason.MISSING,
    "valid_to": RejectReason.NO_END,
}
_OF_STATUSES: Final[Mapping[str, RejectReason]] = dict.fromkeys(
    ("document", "issuer", "issued_at", "expires_at"), RejectReason.MISSING
)
"""What is refused without which members, unless it is taken back."""


def _require(line: AlertLine | StatusLine, names: Mapping[str, RejectReason]) -> None:
    for name, reason in names.items():
        if line.op is Op.UPSERT and getattr(line, name) is None:
            raise RecordRefused(reason, name)


def _period(
    op: Op, since: dt.datetime | None, until: dt.datetime | None, name: str
) -> tuple[dt.datetime, dt.datetime]:
    if op is Op.DELETE or since is None or until is None:
        return _NEVER, _NEVER
    if until <= since:
        raise RecordRefused(RejectReason.INVALID, name)
    return since, until
