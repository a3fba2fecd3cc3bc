"""The tables of sharing."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from twinstile.platform.db.tables import Base, HubKey, UuidKey


class PartnerSystem(Base):
    """A department whose system may ask for changes. Its pseudonym key is not in here."""

    __tablename__ = "partner"

    hub_id: Mapped[HubKey]
    partner_id: Mapped[UuidKey]
    name: Mapped[str]
    kind: Mapped[str]
    secret_hash: Mapped[bytes]
    created_at: Mapped[datetime]
    secret_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class Grant(Base):
    """One type of change a partner may see, and the fields of it."""

    __tablename__ = "partner_grant"

    hub_id: Mapped[HubKey]
    partner_id: Mapped[UuidKey]
    type: Mapped[str] = mapped_column(primary_key=True)
    fields: Mapped[list[str]]


class PartnerToken(Base):
    """An access token that lives for some minutes."""

    __tablename__ = "partner_token"
    __table_args__ = (Index(None, "partner_id", "expires_at", "hub_id"),)

    hub_id: Mapped[HubKey]
    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    partner_id: Mapped[UUID]
    expires_at: Mapped[datetime]
