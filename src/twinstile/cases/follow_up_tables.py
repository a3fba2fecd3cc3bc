"""Plans of following up, the contacts to be made by them, and what came of those."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index, SmallInteger, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from twinstile.platform.db.tables import Base, HubKey, UuidKey


class CasePlan(Base):
    """How long somebody is followed after a disposition, by the policy that held. Appended."""

    __tablename__ = "case_plan"
    __table_args__ = (Index(None, "case_id", "hub_id"),)

    hub_id: Mapped[HubKey]
    disposition_id: Mapped[UuidKey]
    case_id: Mapped[UUID]
    anchor: Mapped[str]
    anchor_date: Mapped[date]
    days: Mapped[int] = mapped_column(SmallInteger)
    test_days: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    first_call_at: Mapped[datetime]
    """Day 0, at the hour at which people are called."""
    policy_version: Mapped[str]
    recorded_at: Mapped[datetime]


class FollowUpTask(Base):
    """A contact to be made. A projection: what came of it are attempts."""

    __tablename__ = "follow_up"
    __table_args__ = (
        Index(None, "case_id", "hub_id"),
        Index(
            "ix_follow_up_open",
            "due_at",
            "follow_up_id",
            "hub_id",
            postgresql_where=text("done_at IS NULL"),
        ),
    )

    hub_id: Mapped[HubKey]
    follow_up_id: Mapped[UuidKey]
    case_id: Mapped[UUID]
    kind: Mapped[str]
    day: Mapped[int] = mapped_column(SmallInteger)
    due_at: Mapped[datetime]
    assigned_to: Mapped[UUID | None]
    attempts: Mapped[int] = mapped_column(SmallInteger)
    done_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    """REACHED, or OVER where the case went on and nobody is called any more."""


class Attempt(Base):
    """An attempt to reach a patient, or their own report. Appended."""

    __tablename__ = "attempt"
    __table_args__ = (Index(None, "case_id", "hub_id"),)

    hub_id: Mapped[HubKey]
    attempt_id: Mapped[UuidKey]
    case_id: Mapped[UUID]
    follow_up_id: Mapped[UUID | None]
    by: Mapped[str]
    outcome: Mapped[str]
    tenths: Mapped[int | None] = mapped_column(SmallInteger)
    symptoms: Mapped[list[str]]
    result: Mapped[str | None]
    note: Mapped[str | None]
    said_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    device_id: Mapped[UUID | None]
    operator_id: Mapped[UUID | None]


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
