"""The vault: the only place where people have names and numbers, and those are encrypted.

Everything else in the database carries random person ids. The blind index, by which a document
is found again, lives only in the vault row.
"""

from datetime import date, datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from twinstile.platform.tables import Base, HubKey, UuidKey


class Vault(Base):
    """One person as seen on one day, under that day's key."""

    __tablename__ = "vault"
    __table_args__ = (
        UniqueConstraint("hub_id", "day", "blind"),
        Index(None, "hub_id", "blind"),
    )

    hub_id: Mapped[HubKey]
    day: Mapped[date] = mapped_column(primary_key=True)
    person_id: Mapped[UuidKey]
    blind: Mapped[bytes]
    cipher: Mapped[bytes]


class Held(Base):
    """A person whose identity must outlive the day: re-encrypted under the key of a case."""

    __tablename__ = "vault_held"

    hub_id: Mapped[HubKey]
    key_id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[UuidKey]
    held_at: Mapped[datetime]
    cipher: Mapped[bytes]


class Purged(Base):
    """A day whose identities were destroyed: late facts of that day meet a closed door."""

    __tablename__ = "vault_purged"

    hub_id: Mapped[HubKey]
    day: Mapped[date] = mapped_column(primary_key=True)
    purged_at: Mapped[datetime]
    people: Mapped[int]
