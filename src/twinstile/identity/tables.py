"""The vault: the only place where people have names and numbers, and those are encrypted.

Everything else in the database carries random person ids. The blind index, by which a document
is found again, lives only in the vault row.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from twinstile.platform.db.tables import Base, HubKey, UuidKey


class Vault(Base):
    """One person as received on one day, under that day's key.

    A fact that comes late is kept from the day it came, not from the day it tells of.
    """

    __tablename__ = "vault"
    __table_args__ = (Index(None, "blind", "hub_id"), Index(None, "person_id", "hub_id"))

    hub_id: Mapped[HubKey]
    day: Mapped[date] = mapped_column(primary_key=True)
    blind: Mapped[bytes] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    first_epoch: Mapped[int]
    """The epoch in which the person id was given out; goes with it from day to day."""
    cipher: Mapped[bytes]
    turns: Mapped[int] = mapped_column(server_default="0")
    """How often the person was met again that day, see `MEET_SQL`."""
    named: Mapped[bool] = mapped_column(server_default="true")
    """Whether there is a name in `cipher`."""


class ContactRow(Base):
    """How somebody on one run may be reached and spoken to; the address under the day's key."""

    __tablename__ = "vault_contact"
    __table_args__ = (Index(None, "day", "hub_id"),)

    hub_id: Mapped[HubKey]
    run_id: Mapped[UuidKey]
    person_id: Mapped[UuidKey]
    day: Mapped[date]
    kind: Mapped[str | None]
    """None, as `owner` and `cipher`: only the languages are known."""
    owner: Mapped[str | None]
    languages: Mapped[list[str]]
    cipher: Mapped[bytes | None]


class ExtendedIdentity(Base):
    """A person whose identity must outlive the day: re-encrypted under the key of a case."""

    __tablename__ = "vault_held"

    hub_id: Mapped[HubKey]
    key_id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[UuidKey]
    held_at: Mapped[datetime]
    cipher: Mapped[bytes]


class PersonLink(Base):
    """Two person ids of one person. It ends with the identity of either."""

    __tablename__ = "person_link"
    __table_args__ = (
        Index(
            "uq_person_link_pair",
            "hub_id",
            "person_id",
            "other_person_id",
            unique=True,
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
        Index(None, "person_id", "hub_id", postgresql_where=text("withdrawn_at IS NULL")),
        Index(None, "other_person_id", "hub_id", postgresql_where=text("withdrawn_at IS NULL")),
    )

    hub_id: Mapped[HubKey]
    link_id: Mapped[UuidKey]
    person_id: Mapped[UUID]
    """The lower of the two ids."""
    other_person_id: Mapped[UUID]
    evidence: Mapped[str]
    reason: Mapped[str]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[UUID]
    device_id: Mapped[UUID]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[UUID | None]
    withdrawn_reason: Mapped[str | None]
