"""People let through unscreened, and the orders that allow it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from twinstile.platform.db.tables import Base, HubKey, UuidKey


class Deferral(Base):
    """Somebody let through unscreened, to be settled by data; one is open a screening."""

    __tablename__ = "deferral"
    __table_args__ = (
        Index(
            "uq_deferral_hub_id_screening_id_open",
            "hub_id",
            "screening_id",
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index(
            "ix_deferral_hub_id_due_at_open",
            "hub_id",
            "due_at",
            "deferral_id",
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index(
            "ix_deferral_destination_due_at_open",
            "destination",
            "due_at",
            "deferral_id",
            "hub_id",
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index(None, "hub_id", "key_id"),
    )

    hub_id: Mapped[HubKey]
    deferral_id: Mapped[UuidKey]
    screening_id: Mapped[UUID]
    reason: Mapped[str]
    fuse_id: Mapped[UUID | None]
    opened_at: Mapped[datetime]
    due_at: Mapped[datetime]
    key_id: Mapped[str | None]
    """Under which the vault holds the person meanwhile; None: nobody knows who it is."""
    destination: Mapped[str | None]
    """The area whose community is to settle it (GB/T 2260); None: nobody said."""
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[UUID | None]
    outcome: Mapped[str | None]


class Fuse(Base):
    """A surge order: where checks were suspended, by whom, for at most half an hour."""

    __tablename__ = "fuse"
    __table_args__ = (Index(None, "hub_id", "until"),)

    hub_id: Mapped[HubKey]
    fuse_id: Mapped[UuidKey]
    checkpoints: Mapped[list[str]]
    runs: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    reason: Mapped[str]
    ordered_by: Mapped[UUID]
    confirmed_by: Mapped[UUID]
    since: Mapped[datetime]
    until: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[UUID | None]
    ended_reason: Mapped[str | None]
