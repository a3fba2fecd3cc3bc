"""Suspicions of responsible reporters, with the legal deadline each began."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped

from twinstile.platform.db.tables import Base, HubKey, UuidKey


class Suspicion(Base):
    """That somebody responsible suspects a notifiable disease, and the report they owe of it.

    Appended; filing it fills the last columns, once.
    """

    __tablename__ = "suspicion"
    __table_args__ = (
        Index(None, "case_id", "hub_id"),
        Index(
            "ix_suspicion_due_at_hub_id_owed",
            "due_at",
            "hub_id",
            postgresql_where=text("filed_at IS NULL"),
        ),
    )

    hub_id: Mapped[HubKey]
    suspicion_id: Mapped[UuidKey]
    case_id: Mapped[UUID]
    within: Mapped[str]
    case_class: Mapped[str]
    disease: Mapped[str]
    suspected_at: Mapped[datetime]
    due_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    device_id: Mapped[UUID]
    operator_id: Mapped[UUID]
    """The responsible reporter."""
    filed_at: Mapped[datetime | None]
    reference: Mapped[str | None]
    """The number of the card in the reporting system."""
    filed_by: Mapped[UUID | None]
