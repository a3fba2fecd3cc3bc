"""Policies as stored: each version once, and from when which one holds."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from twinstile.platform.db.tables import Base, HubKey


class PolicyDraft(Base):
    """A version somebody has written; nothing is decided by it until it is activated."""

    __tablename__ = "policy_draft"

    hub_id: Mapped[HubKey]
    version: Mapped[str] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[UUID]
    document: Mapped[dict[str, object]] = mapped_column(JSONB)


class Policy(Base):
    """One version that was in force, since when first. Never changed.

    The release before this one decides by `effective_from`; this one by activations.
    """

    __tablename__ = "policy"

    hub_id: Mapped[HubKey]
    version: Mapped[str] = mapped_column(primary_key=True)
    effective_from: Mapped[datetime]
    recorded_at: Mapped[datetime]
    document: Mapped[dict[str, object]] = mapped_column(JSONB)


class PolicyActivation(Base):
    """From then on that version holds, until another does. To roll back is to activate again.

    The key is how the version in force is found: one step in the index.
    """

    __tablename__ = "policy_activation"
    __table_args__ = (UniqueConstraint("hub_id", "approval_id"),)

    hub_id: Mapped[HubKey]
    effective_from: Mapped[datetime] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    approval_id: Mapped[UUID | None]
    """None: the policy a new hub begins with."""


class ReceivedArea(Base):
    """A key area as a health department lists it; a policy may list others."""

    __tablename__ = "key_area"

    hub_id: Mapped[HubKey]
    feed: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str]
    level: Mapped[str]
    since: Mapped[date]
    until: Mapped[date]
    recorded_at: Mapped[datetime]


class ReceivedList(Base):
    """How often the received areas of a hub changed: a process knows its copy by it."""

    __tablename__ = "key_area_list"

    hub_id: Mapped[HubKey]
    revision: Mapped[int] = mapped_column(BigInteger)
