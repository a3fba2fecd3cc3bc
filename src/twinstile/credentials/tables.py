"""Trust lists as stored: each version once, as it was signed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from twinstile.platform.tables import Base, HubKey


class StoredList(Base):
    """The highest version that was ever activated is in force: none is put back."""

    __tablename__ = "trust_list"
    __table_args__ = (
        CheckConstraint("version > 0 AND version > coalesce(follows, 0)", name="version"),
    )

    hub_id: Mapped[HubKey]
    version: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[UUID]
    source: Mapped[bytes]
    """SHA-256 of what was sent: the same again is known by it."""
    document: Mapped[str]
    """What was signed, see `snapshots`."""
    key_id: Mapped[str]
    signature: Mapped[str]
    follows: Mapped[int | None] = mapped_column(BigInteger)
    """The version that was in force when it came, and whose lost keys it keeps as removed."""
    activated_at: Mapped[datetime | None]
