"""Runs and the people expected on them."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from twinstile.platform.db.tables import Base, HubKey, UuidKey


class Run(Base):
    """One train, flight or ship arriving on one date."""

    __tablename__ = "run"
    __table_args__ = (Index(None, "scheduled_arrival", "hub_id"),)

    hub_id: Mapped[HubKey]
    run_id: Mapped[UuidKey]
    mode: Mapped[str]
    service_no: Mapped[str]
    service_date: Mapped[date]
    origin: Mapped[str]
    terminus: Mapped[str]
    scheduled_arrival: Mapped[datetime]
    estimated_arrival: Mapped[datetime | None]
    actual_arrival: Mapped[datetime | None]
    platform: Mapped[str | None]
    recorded_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    manifest_batch: Mapped[int | None]
    """The batch applied last, be it empty; none before the first."""
    status: Mapped[str] = mapped_column(server_default="SCHEDULED")
    """A `RunStatus`, or DELETED where the sender took the run back."""
    hub_sequence: Mapped[int | None]
    """Where among its stops the hub is, as its timetable counts them."""
    stops: Mapped[list[str] | None]
    """Where it stops, in order, as its travellers' stops are called; None: nobody told."""


class RunAlias(Base):
    """One of the numbers under which senders know a run; `scheme` is whose numbers they are."""

    __tablename__ = "run_alias"
    __table_args__ = (Index(None, "run_id", "hub_id"),)

    hub_id: Mapped[HubKey]
    scheme: Mapped[str] = mapped_column(primary_key=True)
    service_no: Mapped[str] = mapped_column(primary_key=True)
    service_date: Mapped[date] = mapped_column(primary_key=True)
    run_id: Mapped[UUID]


class ManifestEntry(Base):
    """One traveller on one run, as the carrier announced it. Identity is in the vault."""

    __tablename__ = "manifest_entry"
    __table_args__ = (
        Index(
            "ix_manifest_entry_person_id_hub_id",
            "person_id",
            "hub_id",
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
    )

    hub_id: Mapped[HubKey]
    run_id: Mapped[UuidKey]
    entry_id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    batch: Mapped[int]
    coach: Mapped[str | None]
    seat: Mapped[str | None]
    board_stop: Mapped[str | None]
    alight_stop: Mapped[str | None]
    recorded_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    role: Mapped[str | None]
    """A `records.Role`; None: nobody told."""
    party: Mapped[str | None]
    """The same for those of the run who travel together."""


class SeatBefore(Base):
    """Where a traveller had been placed on a run, or who had been, until that was corrected."""

    __tablename__ = "seat_before"

    hub_id: Mapped[HubKey]
    run_id: Mapped[UuidKey]
    entry_id: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime] = mapped_column(primary_key=True)
    since: Mapped[datetime]
    person_id: Mapped[UUID]
    coach: Mapped[str | None]
    seat: Mapped[str | None]
    board_stop: Mapped[str | None]
    alight_stop: Mapped[str | None]


class IdentityAlertRow(Base):
    """Somebody the authorities ask to be looked at, under the sender's key of the alert."""

    __tablename__ = "identity_alert"
    __table_args__ = (Index(None, "person_id", "hub_id"),)

    hub_id: Mapped[HubKey]
    feed: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[bytes] = mapped_column(primary_key=True)
    """Of the sender's key, which may be a document's number: keyed."""
    person_id: Mapped[UUID]
    kind: Mapped[str]
    authority: Mapped[str]
    legal_basis: Mapped[str]
    action: Mapped[str]
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime]
    day: Mapped[date]
    """When it was received: it ends with the identities of that day."""
    recorded_at: Mapped[datetime]


class HealthStatusRow(Base):
    """What a health department says of a person; see `IdentityAlert`."""

    __tablename__ = "health_status"
    __table_args__ = (Index(None, "person_id", "hub_id"),)

    hub_id: Mapped[HubKey]
    feed: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[bytes] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    issuer: Mapped[str]
    colour: Mapped[str]
    close_contact: Mapped[bool]
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime]
    day: Mapped[date]
    recorded_at: Mapped[datetime]
