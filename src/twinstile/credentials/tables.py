"""Trust lists as stored: each version once, as it was signed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from twinstile.platform.db.tables import Base, HubKey


class StoredList(Base):
    """The highest version that was ever activated is in force: none is put back."""

    __tablename__ = "trust_list"
    __table_args__ = (
        CheckConstraint("version > 0 AND version > coalesce(follows, 0)", name="version"),
    )

    hub_id: Mapped[HubKey]
    version: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[UUID | None]
    """None: it was fetched."""
    source: Mapped[bytes]
    """SHA-256 of what was sent, or of what was fetched: the same again is known by it."""
    document: Mapped[str]
    """What was signed, see `snapshots`."""
    key_id: Mapped[str]
    signature: Mapped[str]
    follows: Mapped[int | None] = mapped_column(BigInteger)
    """The version that was in force when it came, and whose lost keys it keeps as removed."""
    activated_at: Mapped[datetime | None]
    change: Mapped[dict[str, object] | None] = mapped_column(JSONB)
    """What it changes in the list it follows: what two agree on. None: of older releases."""


class TrustSource(Base):
    """What a source told last, and how it does."""

    __tablename__ = "trust_source"

    hub_id: Mapped[HubKey]
    source: Mapped[str] = mapped_column(primary_key=True)
    asked_at: Mapped[datetime | None]
    etag: Mapped[str | None]
    body: Mapped[bytes | None]
    """Its last good word, as it came: public keys."""
    signature: Mapped[bytes | None]
    """Over it, where it has to be signed."""
    told_at: Mapped[datetime | None]
    """Issued by its own word; an older one is refused."""
    as_of: Mapped[datetime | None]
    """When it gave that word, or confirmed it."""
    fault: Mapped[str | None]
    fault_at: Mapped[datetime | None]
    failures: Mapped[int]
    breaker: Mapped[dict[str, object]] = mapped_column(JSONB)
