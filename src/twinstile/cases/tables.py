"""Fever cases and where each was sent."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from twinstile.platform.tables import Base, HubKey, UuidKey


class CaseDay(Base):
    """The last case number given out on a day."""

    __tablename__ = "case_day"

    hub_id: Mapped[HubKey]
    day: Mapped[str] = mapped_column(primary_key=True)
    last: Mapped[int]


class FeverCase(Base):
    """A case: opened by confirmed abnormal evidence, a clinician or an emergency.

    `state` is a projection of the case's events. Sex, age and origin are coarse facts for the
    line list; who the person is stays in the vault, under the key of the case.
    """

    __tablename__ = "fever_case"
    __table_args__ = (
        UniqueConstraint("hub_id", "case_no"),
        UniqueConstraint("hub_id", "screening_id"),
        Index(None, "hub_id", "opened_at", "case_id"),
        Index(
            "ix_fever_case_hub_id_due_at",
            "hub_id",
            "due_at",
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index(
            "uq_fever_case_episode",
            "hub_id",
            "episode_of",
            unique=True,
            postgresql_where=text("closed_at IS NULL AND episode_of IS NOT NULL"),
        ),
    )

    hub_id: Mapped[HubKey]
    case_id: Mapped[UuidKey]
    case_no: Mapped[str]
    screening_id: Mapped[UUID]
    person_id: Mapped[UUID | None]
    run_id: Mapped[UUID | None]
    origin: Mapped[str]
    state: Mapped[str]
    opened_at: Mapped[datetime]
    state_since: Mapped[datetime]
    due_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    first_tenths: Mapped[int | None] = mapped_column(SmallInteger)
    peak_tenths: Mapped[int | None] = mapped_column(SmallInteger)
    sex: Mapped[str | None]
    age_years: Mapped[int | None] = mapped_column(SmallInteger)
    episode_of: Mapped[UUID | None]
    """The person whose only open case this is; null where nobody is known."""


class DispositionRecord(Base):
    """Where a case was sent, by whose decision. The last recorded one is final; all are kept.

    `state` is what the decision moved the case to.
    """

    __tablename__ = "disposition"
    __table_args__ = (Index(None, "case_id", "recorded_at", "hub_id"),)

    hub_id: Mapped[HubKey]
    disposition_id: Mapped[UuidKey]
    case_id: Mapped[UUID]
    code: Mapped[str]
    state: Mapped[str]
    receiver: Mapped[str | None]
    reason: Mapped[str | None]
    consent: Mapped[bool | None]
    decided_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    device_id: Mapped[UUID]
    operator_id: Mapped[UUID]
