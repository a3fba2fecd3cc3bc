"""The tables of the ground floor. `hub_id` is first in every key; ids come from outside.

Tables are private to their room: rooms above call functions of this floor. They build their own
tables on `Base`.
"""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import UserDefinedType
from typing_extensions import override


class Base(DeclarativeBase):
    """Common ground of all tables: naming of constraints and the types of columns."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {
        datetime: DateTime(timezone=True),
        str: Text(),
        bytes: LargeBinary(),
        list[str]: postgresql.ARRAY(Text()),
    }


class Xid8(UserDefinedType[str]):
    """A 64-bit transaction id; it fences readers of `event` and never leaves the database."""

    cache_ok = True

    @override
    def get_col_spec(self, **_: object) -> str:
        return "xid8"


HubKey = Annotated[str, mapped_column(primary_key=True)]
UuidKey = Annotated[UUID, mapped_column(primary_key=True)]


class Hub(Base):
    """A station, airport, port or border post under one command."""

    __tablename__ = "hub"

    hub_id: Mapped[HubKey]
    name: Mapped[str]
    timezone: Mapped[str]
    """As the settings had it when the hub was opened, for readers of the database. One
    installation has one zone: every day is reckoned in the settings' zone."""
    opened_at: Mapped[datetime]
    mode: Mapped[str] = mapped_column(server_default="PRODUCTION")
    """A `HubMode`, set when the hub is entered; nobody may update it."""


class Lane(Base):
    """One queue with one set of devices, at a checkpoint."""

    __tablename__ = "lane"

    hub_id: Mapped[HubKey]
    lane_id: Mapped[str] = mapped_column(primary_key=True)
    checkpoint: Mapped[str]
    kind: Mapped[str]
    direction: Mapped[str] = mapped_column(server_default="ARRIVING")
    """The same at every lane of a checkpoint."""


class Device(Base):
    """A tablet, gate or desk computer. `counters` are the fact counters received so far."""

    __tablename__ = "device"
    __table_args__ = (UniqueConstraint("hub_id", "token_hash"),)

    hub_id: Mapped[HubKey]
    device_id: Mapped[UuidKey]
    name: Mapped[str]
    lane_id: Mapped[str | None]
    token_hash: Mapped[bytes]
    enrolled_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_contact_at: Mapped[datetime | None]
    counters: Mapped[object] = mapped_column(INT8MULTIRANGE, server_default="{}")


class Enrolment(Base):
    """A one-time code that lets one device in."""

    __tablename__ = "enrolment"

    hub_id: Mapped[HubKey]
    code_hash: Mapped[bytes] = mapped_column(primary_key=True)
    lane_id: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    created_by: Mapped[UUID | None]
    """The operator who made the code; none: whoever has the server's account."""
    device_id: Mapped[UUID | None]
    """The device it let in."""


class Operator(Base):
    """A person on duty with a login, roles and a passcode (argon2id)."""

    __tablename__ = "operator"
    __table_args__ = (UniqueConstraint("hub_id", "login"),)

    hub_id: Mapped[HubKey]
    operator_id: Mapped[UuidKey]
    login: Mapped[str]
    display_name: Mapped[str]
    roles: Mapped[list[str]]
    passcode_hash: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None]
    """The operator who entered this one; none: whoever has the server's account."""
    disabled_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(server_default="0")
    locked_until: Mapped[datetime | None]


class Shift(Base):
    """One operator signed in on one device, with the roles held at that moment."""

    __tablename__ = "shift"
    __table_args__ = (
        UniqueConstraint("hub_id", "token_hash"),
        Index(None, "hub_id", "device_id", "started_at"),
    )

    hub_id: Mapped[HubKey]
    shift_id: Mapped[UuidKey]
    device_id: Mapped[UUID]
    operator_id: Mapped[UUID]
    token_hash: Mapped[bytes]
    roles: Mapped[list[str]]
    started_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ApprovalRecord(Base):
    """One deed that takes two persons: what was asked, by whom, and who decided what.

    A hand is the person at the head of the line of who entered whom.
    """

    __tablename__ = "approval"
    __table_args__ = (
        Index(None, "expires_at", "hub_id", postgresql_where=text("verdict IS NULL")),
    )

    hub_id: Mapped[HubKey]
    approval_id: Mapped[UuidKey]
    kind: Mapped[str]
    subject_id: Mapped[UUID]
    content: Mapped[dict[str, object]] = mapped_column(JSONB)
    digest: Mapped[bytes]
    reason: Mapped[str]
    requested_by: Mapped[UUID]
    requested_device: Mapped[UUID]
    requested_hand: Mapped[UUID]
    requested_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    decided_by: Mapped[UUID | None]
    decided_device: Mapped[UUID | None]
    decided_hand: Mapped[UUID | None]
    decided_device_hand: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    verdict: Mapped[str | None]
    decision_reason: Mapped[str | None]
    used_at: Mapped[datetime | None]


class OfflineShift(Base):
    """A shift that a tablet claims: it began without the service, so nobody checked who did."""

    __tablename__ = "offline_shift"
    __table_args__ = (Index(None, "hub_id", "recorded_at"),)

    hub_id: Mapped[HubKey]
    shift_id: Mapped[UuidKey]
    device_id: Mapped[UUID]
    operator_id: Mapped[UUID]
    roles: Mapped[list[str]]
    started_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]


class EventRecord(Base):
    """What others must hear of: audit line, outbox entry and sync position in one row."""

    __tablename__ = "event"
    __table_args__ = (
        Index(None, "hub_id", "tx", "event_id"),
        Index(None, "subject_id", "hub_id"),
    )

    hub_id: Mapped[HubKey]
    event_id: Mapped[UuidKey]
    tx: Mapped[str] = mapped_column(Xid8(), server_default=text("pg_current_xact_id()"))
    at: Mapped[datetime]
    kind: Mapped[str]
    subject_id: Mapped[UUID]
    device_id: Mapped[UUID | None]
    operator_id: Mapped[UUID | None]
    body: Mapped[dict[str, object]] = mapped_column(JSONB)


class Access(Base):
    """One reading of data about people: who, what for, of whom; pseudonyms, never values."""

    __tablename__ = "access"
    __table_args__ = (
        Index(None, "at", "access_id", "hub_id"),
        Index(None, "subject_id", "at", "hub_id"),
        Index(None, "operator_id", "action", "at", "hub_id"),
    )

    hub_id: Mapped[HubKey]
    access_id: Mapped[UuidKey]
    at: Mapped[datetime]
    operator_id: Mapped[UUID | None]
    partner_id: Mapped[str | None]
    """At most one of operator and partner; neither: the service itself."""
    device_id: Mapped[UUID | None]
    shift_id: Mapped[UUID | None]
    roles: Mapped[list[str]]
    action: Mapped[str]
    purpose: Mapped[str | None]
    reason: Mapped[str | None]
    subject_id: Mapped[UUID | None]
    fields: Mapped[list[str]]
    rows: Mapped[int]
    outcome: Mapped[str]


class Quarantine(Base):
    """A fact that could not be accepted, kept whole (encrypted) until somebody looks at it."""

    __tablename__ = "quarantine"
    __table_args__ = (UniqueConstraint("hub_id", "device_id", "digest"),)

    hub_id: Mapped[HubKey]
    quarantine_id: Mapped[UuidKey]
    fact_id: Mapped[UUID | None]
    device_id: Mapped[UUID]
    kind: Mapped[str]
    received_at: Mapped[datetime]
    code: Mapped[str]
    errors: Mapped[list[object]] = mapped_column(JSONB)
    digest: Mapped[bytes]
    key_id: Mapped[str]
    cipher: Mapped[bytes]


class Destruction(Base):
    """A key that was destroyed, and with it what it had encrypted."""

    __tablename__ = "destruction"

    hub_id: Mapped[HubKey]
    key_id: Mapped[str] = mapped_column(primary_key=True)
    destroyed_at: Mapped[datetime]
    rows: Mapped[int]
    document: Mapped[str | None]
    """The certificate as it was signed; None of a row that is older than certificates."""
    signature: Mapped[str | None]


class Closure(Base):
    """A hub that is closed for good: it takes no facts any more."""

    __tablename__ = "closure"

    hub_id: Mapped[HubKey]
    closed_at: Mapped[datetime]


class LedgerEntry(Base):
    """One event in the gapless order of its hub, linked to the entry before it."""

    __tablename__ = "ledger"
    __table_args__ = (UniqueConstraint("hub_id", "event_id"),)

    hub_id: Mapped[HubKey]
    n: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    event_id: Mapped[UUID]
    link: Mapped[bytes]


class LedgerNode(Base):
    """Hashes of the ledger's Merkle tree that releases before 0.2 kept; nothing writes it."""

    __tablename__ = "ledger_node"

    hub_id: Mapped[HubKey]
    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    i: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    hash: Mapped[bytes]


class LedgerEpoch(Base):
    """A life of the database: it begins with entry `n`, and a restore begins another."""

    __tablename__ = "ledger_epoch"
    __table_args__ = (UniqueConstraint("hub_id", "n"),)

    hub_id: Mapped[HubKey]
    epoch: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger)
    began_at: Mapped[datetime]


class LedgerHead(Base):
    """Where the sealer stands, locked while a process seals. It all follows from the rest."""

    __tablename__ = "ledger_head"

    hub_id: Mapped[HubKey]
    epoch: Mapped[str]
    n: Mapped[int] = mapped_column(BigInteger)
    link: Mapped[bytes]
    peaks: Mapped[bytes]
    tx: Mapped[str] = mapped_column(Xid8())
    """With `event_id`: events up to here are sealed, whatever transaction is still open."""
    event_id: Mapped[UUID]
    latest: Mapped[dict[str, object]] = mapped_column(JSONB)
    """The last n of each kind of event: who waits for a kind need not look at entries."""
    published_n: Mapped[int] = mapped_column(BigInteger)
