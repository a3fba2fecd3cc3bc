"""Runs and the people expected on them."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from twinstile.platform.db.tables import Base, HubKey, UuidKey


class Run(Base):
    """One train, flight or ship arriving on one date."""

    __tablename__ = "run"
    __table_args__ = (Index(None, "scheduled_arrival", "hub_id"),)

    hub_id: Mapped[HubKey]
    run_id: Mapped[UuidKey]
    mode: Mapped[str]
    service_no: Mapped[str]
    service_date: Mapped[date]
    origin: Mapped[str]
    terminus: Mapped[str]
    scheduled_arrival: Mapped[datetime]
    estimated_arrival: Mapped[datetime | None]
    actual_arrival: Mapped[datetime | None]
    platform: Mapped[str | None]
    recorded_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    manifest_batch: Mapped[int | None]
    """The batch applied last, be it empty; none before the first."""
    status: Mapped[str] = mapped_column(server_default="SCHEDULED")
    """A `RunStatus`, or DELETED where the sender took the run back."""
    hub_sequence: Mapped[int | None]
    """Where among its stops the hub is, as its timetable counts them."""
    stops: Mapped[list[str] | None]
    """Where it stops, in order, as its travellers' stops are called; None: nobody told."""


class RunAlias(Base):
    """One of the numbers under which senders know a run; `scheme` is whose numbers they are."""

    __tablename__ = "run_alias"
    __table_args__ = (Index(None, "run_id", "hub_id"),)

    hub_id: Mapped[HubKey]
    scheme: Mapped[str] = mapped_column(primary_key=True)
    service_no: Mapped[str] = mapped_column(primary_key=True)
    service_date: Mapped[date] = mapped_column(primary_key=True)
    run_id: Mapped[UUID]


class ManifestEntry(Base):
    """One traveller on one run, as the carrier announced it. Identity is in the vault."""

    __tablename__ = "manifest_entry"
    __table_args__ = (
        Index(
            "ix_manifest_entry_person_id_hub_id",
            "person_id",
            "hub_id",
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
    )

    hub_id: Mapped[HubKey]
    run_id: Mapped[UuidKey]
    entry_id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    batch: Mapped[int]
    coach: Mapped[str | None]
    seat: Mapped[str | None]
    board_stop: Mapped[str | None]
    alight_stop: Mapped[str | None]
    recorded_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    role: Mapped[str | None]
    """A `records.Role`; None: nobody told."""
    party: Mapped[str | None]
    """The same for those of the run who travel together."""


class SeatHistory(Base):
    """Where a traveller had been placed on a run, or who had been, until that was corrected."""

    __tablename__ = "seat_before"

    hub_id: Mapped[HubKey]
    run_id: Mapped[UuidKey]
    entry_id: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime] = mapped_column(primary_key=True)
    since: Mapped[datetime]
    person_id: Mapped[UUID]
    coach: Mapped[str | None]
    seat: Mapped[str | None]
    board_stop: Mapped[str | None]
    alight_stop: Mapped[str | None]


class IdentityAlertRow(Base):
    """Somebody the authorities ask to be looked at, under the sender's key of the alert."""

    __tablename__ = "identity_alert"
    __table_args__ = (Index(None, "person_id", "hub_id"),)

    hub_id: Mapped[HubKey]
    feed: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[bytes] = mapped_column(primary_key=True)
    """Of the sender's key, which may be a document's number: keyed."""
    person_id: Mapped[UUID]
    kind: Mapped[str]
    authority: Mapped[str]
    legal_basis: Mapped[str]
    action: Mapped[str]
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime]
    day: Mapped[date]
    """When it was received: it ends with the identities of that day."""
    recorded_at: Mapped[datetime]


class HealthStatusRow(Base):
    """What a health department says of a person; see `IdentityAlert`."""

    __tablename__ = "health_status"
    __table_args__ = (Index(None, "person_id", "hub_id"),)

    hub_id: Mapped[HubKey]
    feed: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[bytes] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    issuer: Mapped[str]
    colour: Mapped[str]
    close_contact: Mapped[bool]
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime]
    day: Mapped[date]
    recorded_at: Mapped[datetime]


class FeedState(Base):
    """How one feed does: where it stands, when it was well last, and what came of it.

    The counters are the sums of those of its deliveries, and of what is no delivery.
    """

    __tablename__ = "feed_state"

    hub_id: Mapped[HubKey]
    feed: Mapped[str] = mapped_column(primary_key=True)
    cursor: Mapped[str | None]
    """Where to go on; encrypted, see `inbox.open_cursor`."""
    landed: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """The number given to the delivery that landed last."""
    deliveries: Mapped[int] = mapped_column(BigInteger, server_default="0")
    duplicates: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """Deliveries whose very bytes had landed before."""
    refused: Mapped[int] = mapped_column(BigInteger, server_default="0")
    rows: Mapped[int] = mapped_column(BigInteger, server_default="0")
    applied: Mapped[int] = mapped_column(BigInteger, server_default="0")
    repeated: Mapped[int] = mapped_column(BigInteger, server_default="0")
    superseded: Mapped[int] = mapped_column(BigInteger, server_default="0")
    rejected: Mapped[int] = mapped_column(BigInteger, server_default="0")
    unmatched: Mapped[int] = mapped_column(BigInteger, server_default="0")
    polled_at: Mapped[datetime | None]
    as_of: Mapped[datetime | None]
    """When the department was last asked, or came itself, and all was well."""
    fault: Mapped[str | None]
    fault_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(server_default="0")
    """Polls that failed since the last that did not."""
    breaker: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}")
    not_before: Mapped[datetime | None]
    """The department's own word on when to come again."""
    leased_by: Mapped[UUID | None]
    """The process that asks the department, until its lease is over."""
    leased_until: Mapped[datetime | None]


class FeedDelivery(Base):
    """What came at once. It is applied from its bytes, as often as need be.

    REFUSED has no bytes. LANDED is to be applied from `due_at` on, or is being applied; DEAD
    was given up and waits for somebody. `rows_applied` counts what was taken of it so far:
    every record, reject or word on columns, in the order of reading.
    """

    __tablename__ = "feed_delivery"
    __table_args__ = (
        UniqueConstraint("hub_id", "feed", "n"),
        UniqueConstraint("hub_id", "feed", "digest"),
        Index(
            "ix_feed_delivery_due",
            "hub_id",
            "feed",
            "due_at",
            postgresql_where=text("state = 'LANDED'"),
        ),
        Index(
            "ix_feed_delivery_trouble",
            "hub_id",
            "feed",
            "n",
            postgresql_where=text("state IN ('DEAD', 'REFUSED') OR rejected > 0"),
        ),
        Index(None, "day", "hub_id"),
    )

    hub_id: Mapped[HubKey]
    delivery_id: Mapped[UuidKey]
    feed: Mapped[str]
    n: Mapped[int] = mapped_column(BigInteger)
    """Its place among those of the feed, by landing."""
    digest: Mapped[bytes | None]
    received_at: Mapped[datetime]
    day: Mapped[date]
    size: Mapped[int]
    cipher: Mapped[bytes | None]
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(server_default="0")
    """Those that failed."""
    due_at: Mapped[datetime]
    fault: Mapped[str | None]
    ended_at: Mapped[datetime | None]
    rows_applied: Mapped[int] = mapped_column(server_default="0")
    rows: Mapped[int] = mapped_column(server_default="0")
    applied: Mapped[int] = mapped_column(server_default="0")
    repeated: Mapped[int] = mapped_column(server_default="0")
    superseded: Mapped[int] = mapped_column(server_default="0")
    rejected: Mapped[int] = mapped_column(server_default="0")
    unmatched: Mapped[int] = mapped_column(server_default="0")


class FeedReject(Base):
    """A row of a delivery that could not be used, and why: no value of it."""

    __tablename__ = "feed_reject"

    hub_id: Mapped[HubKey]
    delivery_id: Mapped[UuidKey]
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    """Its place in the order of reading."""
    row: Mapped[int]
    """In the words of the sender: a line of a file, a message of an exchange."""
    reason: Mapped[str]
    column: Mapped[str | None]


class FeedColumn(Base):
    """A column a sender has and its reader does not know: the format may have changed."""

    __tablename__ = "feed_column"

    hub_id: Mapped[HubKey]
    feed: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


class FeedNonce(Base):
    """A nonce with which a delivery was signed: a digest of it and of the key's id.

    It is kept as long as the signature would be taken again.
    """

    __tablename__ = "feed_nonce"
    __table_args__ = (Index(None, "hub_id", "feed", "used_at"),)

    hub_id: Mapped[HubKey]
    feed: Mapped[str] = mapped_column(primary_key=True)
    nonce: Mapped[bytes] = mapped_column(primary_key=True)
    used_at: Mapped[datetime]


class FeedKey(Base):
    """The newest word under one key of a sender: by version, then by delivery and row."""

    __tablename__ = "feed_key"
    __table_args__ = (
        Index(None, "run_id", "hub_id", postgresql_where=text("run_id IS NOT NULL")),
        Index(None, "day", "hub_id"),
    )

    hub_id: Mapped[HubKey]
    feed: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[bytes] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    """The sender's number; -1 where it tells none."""
    n: Mapped[int] = mapped_column(BigInteger)
    row: Mapped[int]
    content: Mapped[bytes]
    """A digest of what was said."""
    deleted: Mapped[bool]
    listed: Mapped[bool]
    """The word came in a whole list of its run, and not as a change."""
    list_version: Mapped[int | None] = mapped_column(BigInteger)
    """Of the newest whole list that names the key; None: no list did."""
    list_n: Mapped[int | None] = mapped_column(BigInteger)
    run_id: Mapped[UUID | None]
    role: Mapped[str | None]
    withdrawn: Mapped[bool]
    """Deleted, or not on a newer whole list."""
    day: Mapped[date]


class FeedList(Base):
    """The newest whole list of a run's travellers of one role."""

    __tablename__ = "feed_list"

    hub_id: Mapped[HubKey]
    feed: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[UuidKey]
    role: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    n: Mapped[int] = mapped_column(BigInteger)


class FeedWaiting(Base):
    """A delivery with rows of a run that nobody has announced yet."""

    __tablename__ = "feed_waiting"

    hub_id: Mapped[HubKey]
    scheme: Mapped[str] = mapped_column(primary_key=True)
    service_no: Mapped[str] = mapped_column(primary_key=True)
    service_date: Mapped[date] = mapped_column(primary_key=True)
    delivery_id: Mapped[UuidKey]
    feed: Mapped[str]
