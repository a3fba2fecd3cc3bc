"""Contacts found for cases: each list as it was made, and whom it names."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, SmallInteger, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from twinstile.platform.db.tables import Base, HubKey, UuidKey


class ContactList(Base):
    """Contacts of a case as they were found once: by which rules, and of how much knowledge."""

    __tablename__ = "contact_list"
    __table_args__ = (
        Index(None, "case_id", "made_at", "hub_id"),
        Index(
            "ix_contact_list_made_at_hub_id_kept",
            "made_at",
            "hub_id",
            postgresql_where=text("forgotten_at IS NULL"),
        ),
    )

    hub_id: Mapped[HubKey]
    list_id: Mapped[UuidKey]
    case_id: Mapped[UUID]
    made_at: Mapped[datetime]
    device_id: Mapped[UUID]
    operator_id: Mapped[UUID]
    policy_version: Mapped[str]
    asked: Mapped[dict[str, object]] = mapped_column(JSONB)
    """What the officer knew better: a conveyance, a place."""
    runs: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    known: Mapped[dict[str, object]] = mapped_column(JSONB)
    """How much of what it rests on was known (`geometry.Known`)."""
    close: Mapped[int]
    general: Mapped[int]
    forgotten_at: Mapped[datetime | None]
    """When whom it names was deleted, with the identity of the case."""


class ListedContact(Base):
    """One person of a list. The vault holds them under the key of the case."""

    __tablename__ = "contact"
    __table_args__ = (Index(None, "person_id", "hub_id"),)

    hub_id: Mapped[HubKey]
    list_id: Mapped[UuidKey]
    n: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    """Its place in the list, from 1: the nearest first."""
    person_id: Mapped[UUID]
    run_id: Mapped[UUID | None]
    """On which run they were near; None: at a gate or in a party only."""
    coach: Mapped[str | None]
    seat: Mapped[str | None]
    contact_class: Mapped[str]
    points: Mapped[int] = mapped_column(SmallInteger)
    reasons: Mapped[list[dict[str, object]]] = mapped_column(JSONB)
