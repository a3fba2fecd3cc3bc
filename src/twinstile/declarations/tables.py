"""Declarations of travellers, each word of them, and appeals; what they say is encrypted."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from twinstile.platform.db.tables import Base, HubKey, UuidKey


class Declaration(Base):
    """One traveller's declaration, and the passage it counted for. It says nobody's name."""

    __tablename__ = "declaration"
    __table_args__ = (
        UniqueConstraint("hub_id", "receipt_digest"),
        UniqueConstraint("hub_id", "pass_digest"),
        Index(
            "uq_declaration_hub_id_short_code",
            "hub_id",
            "short_code",
            unique=True,
            postgresql_where=text("short_code IS NOT NULL"),
        ),
        Index(None, "made_at", "hub_id"),
    )

    hub_id: Mapped[HubKey]
    declaration_id: Mapped[UuidKey]
    receipt_digest: Mapped[bytes]
    pass_digest: Mapped[bytes]
    short_code: Mapped[str | None]
    """Of one made at a desk."""
    day: Mapped[date]
    """Of whose key its words and appeals are under."""
    fingerprint: Mapped[bytes]
    """Of its first word, under that key: whether a resend says the same."""
    source: Mapped[str]
    language: Mapped[str]
    made_at: Mapped[datetime]
    said_at: Mapped[datetime]
    """When its latest word was said."""
    revision: Mapped[int] = mapped_column(SmallInteger)
    reminded_at: Mapped[datetime | None]
    """When the traveller said that they had read the reminder."""
    presented_at: Mapped[datetime | None]
    person_id: Mapped[UUID | None]
    """Whom it counted for, or whose document the desk saw."""
    screening_id: Mapped[UUID | None]
    device_id: Mapped[UUID | None]
    operator_id: Mapped[UUID | None]


class DeclarationWord(Base):
    """What was said: the first word, and each correction."""

    __tablename__ = "declaration_word"

    hub_id: Mapped[HubKey]
    declaration_id: Mapped[UuidKey]
    revision: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    said_at: Mapped[datetime]
    cipher: Mapped[bytes]


class Appeal(Base):
    """What a traveller disputes, and the answer to it."""

    __tablename__ = "appeal"
    __table_args__ = (
        Index(None, "declaration_id", "hub_id"),
        Index(None, "hub_id", "made_at", "appeal_id"),
    )

    hub_id: Mapped[HubKey]
    appeal_id: Mapped[UuidKey]
    declaration_id: Mapped[UUID]
    screening_id: Mapped[UUID | None]
    about: Mapped[str]
    made_at: Mapped[datetime]
    day: Mapped[date]
    cipher: Mapped[bytes]
    decided: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[UUID | None]
    answer: Mapped[bytes | None]
