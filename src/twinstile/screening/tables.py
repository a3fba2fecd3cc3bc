"""Checks (immutable facts), reminders, service acts; screenings, and what they leave behind."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from twinstile.platform.db.tables import Base, HubKey, UuidKey


class Check(Base):
    """One passage of one person past one device. Never changed; partitioned by id.

    Partitions are months of the UUIDv7 id, so that (hub_id, id) stays unique and a resend after
    midnight meets its first copy; a DEFAULT partition takes ids of wrong clocks.
    """

    __tablename__ = "check"
    __table_args__ = (
        Index(None, "screening_id", "hub_id"),
        Index(None, "received_at", "hub_id"),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    hub_id: Mapped[HubKey]
    id: Mapped[UuidKey]
    screening_id: Mapped[UUID]
    person_id: Mapped[UUID | None]
    run_id: Mapped[UUID | None]
    lane_id: Mapped[str | None]
    device_id: Mapped[UUID]
    operator_id: Mapped[UUID | None]
    shift_id: Mapped[UUID | None]
    counter: Mapped[int] = mapped_column(BigInteger)
    observed_at: Mapped[datetime]
    received_at: Mapped[datetime]
    clock_offset_ms: Mapped[int]
    clock_suspect: Mapped[bool]
    offline: Mapped[bool]
    evidence: Mapped[dict[str, object]] = mapped_column(JSONB)
    fingerprint: Mapped[bytes]
    fingerprint_key: Mapped[str]
    status: Mapped[str]
    verdict: Mapped[str]
    outcome: Mapped[str]
    state: Mapped[str]
    reasons: Mapped[list[object]] = mapped_column(JSONB)
    policy_version: Mapped[str]
    case_id: Mapped[UUID | None]
    measures: Mapped[list[object] | None] = mapped_column(JSONB)
    """What was ordered of the traveller, with its dates; null: nothing."""


class Screening(Base):
    """One traveller's passage through one checkpoint: the fold of its checks and events."""

    __tablename__ = "screening"
    __table_args__ = (
        Index(None, "person_id", "opened_at", "hub_id"),
        Index(None, "opened_at", "hub_id"),
        Index(None, "run_id", "hub_id"),
        Index(
            "ix_screening_run_id_hub_id_entry",
            "run_id",
            "hub_id",
            postgresql_where=text("entry_id IS NOT NULL"),
        ),
        Index(
            "ix_screening_due_at_hub_id",
            "due_at",
            "hub_id",
            postgresql_where=text("due_at IS NOT NULL"),
        ),
    )

    hub_id: Mapped[HubKey]
    screening_id: Mapped[UuidKey]
    person_id: Mapped[UUID | None]
    run_id: Mapped[UUID | None]
    entry_id: Mapped[str | None]
    """The carrier's key, while the manifest is kept; shown to nobody."""
    checkpoint: Mapped[str | None]
    state: Mapped[str]
    opened_at: Mapped[datetime]
    state_since: Mapped[datetime]
    due_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    order_until: Mapped[datetime | None]
    """Until when a lawful order lets the person be kept."""
    referred_at: Mapped[datetime | None]
    deferred_at: Mapped[datetime | None]
    case_id: Mapped[UUID | None]
    supersedes: Mapped[UUID | None]
    fold: Mapped[dict[str, object]] = mapped_column(JSONB)
    checks: Mapped[int]
    reminders: Mapped[list[str]]
    verifications: Mapped[list[str]]
    services: Mapped[list[str]]


class Reminder(Base):
    """A reminder given to a run (R1) or at a checkpoint (R2), with how it was delivered.

    One to single people is a `Notice`.
    """

    __tablename__ = "reminder"
    __table_args__ = (
        Index(None, "run_id", "hub_id"),
        Index(None, "hub_id", "checkpoint", "given_at"),
    )

    hub_id: Mapped[HubKey]
    reminder_id: Mapped[UuidKey]
    kind: Mapped[str]
    run_id: Mapped[UUID | None]
    checkpoint: Mapped[str | None]
    channel: Mapped[str]
    language: Mapped[str]
    given_at: Mapped[datetime]
    until: Mapped[datetime | None]
    """Of one that went on for a while: its end."""
    recorded_at: Mapped[datetime]
    device_id: Mapped[UUID]
    operator_id: Mapped[UUID | None]


class NoticeOrder(Base):
    """That the people of a run, or one of them, be reminded by a message each."""

    __tablename__ = "notice_order"

    hub_id: Mapped[HubKey]
    order_id: Mapped[UuidKey]
    run_id: Mapped[UUID]
    kind: Mapped[str]
    entry_id: Mapped[str | None]
    """The carrier's key of the one; None: everybody who can be reached."""
    ordered_at: Mapped[datetime]
    device_id: Mapped[UUID | None]
    """None: the clock ordered it."""
    operator_id: Mapped[UUID | None]


class Notice(Base):
    """The one message of a kind to one person of a run, and what is known of its fate."""

    __tablename__ = "notice"
    __table_args__ = (
        UniqueConstraint("hub_id", "run_id", "person_id", "kind"),
        Index(None, "person_id", "hub_id"),
        Index(None, "at", "hub_id"),
        Index(
            "ix_notice_due_at_hub_id",
            "due_at",
            "hub_id",
            postgresql_where=text("due_at IS NOT NULL"),
        ),
    )

    hub_id: Mapped[HubKey]
    notice_id: Mapped[UuidKey]
    order_id: Mapped[UUID]
    run_id: Mapped[UUID]
    kind: Mapped[str]
    person_id: Mapped[UUID]
    """Of a list for those on board, the run itself."""
    contact: Mapped[str]
    """What kind of address it goes to; the address itself is in the vault."""
    channel: Mapped[str]
    language: Mapped[str]
    state: Mapped[str]
    at: Mapped[datetime]
    """Since when the state is so."""
    attempts: Mapped[int]
    due_at: Mapped[datetime | None]
    """When to look at it next; None: nothing more is to be done."""
    batch_id: Mapped[UUID | None]
    evidence: Mapped[list[dict[str, object]]] = mapped_column(JSONB)
    """Each state it was in, with the moment, the provider's id and a code for why."""


class RunReminded(Base):
    """That a run's messages of a kind were ordered by the clock."""

    __tablename__ = "run_reminded"

    hub_id: Mapped[HubKey]
    run_id: Mapped[UuidKey]
    kind: Mapped[str] = mapped_column(primary_key=True)
    manifests: Mapped[int] = mapped_column(BigInteger)
    """How many manifests had landed then: with one more there may be people more."""
    at: Mapped[datetime]


class NoticeChannel(Base):
    """How a channel does: failures in a row, since when, and until when it is let alone."""

    __tablename__ = "notice_channel"

    hub_id: Mapped[HubKey]
    channel: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    since: Mapped[datetime | None]
    open_until: Mapped[datetime | None]
    code: Mapped[str | None]


class ServiceAct(Base):
    """Help offered outside a check, and what the traveller answered."""

    __tablename__ = "service_act"
    __table_args__ = (Index(None, "screening_id", "hub_id"),)

    hub_id: Mapped[HubKey]
    act_id: Mapped[UuidKey]
    screening_id: Mapped[UUID]
    kind: Mapped[str]
    outcome: Mapped[str]
    given_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    device_id: Mapped[UUID]
    operator_id: Mapped[UUID | None]


class Party(Base):
    """People who travel together: a family, a class. `members` counts their passages."""

    __tablename__ = "party"

    hub_id: Mapped[HubKey]
    party_id: Mapped[UuidKey]
    opened_at: Mapped[datetime]
    device_id: Mapped[UUID]
    operator_id: Mapped[UUID | None]
    members: Mapped[int] = mapped_column(SmallInteger)


class PartyMember(Base):
    """A passage that belongs to a party. At any time at most one member is the guardian."""

    __tablename__ = "party_member"
    __table_args__ = (
        Index(None, "party_id", "hub_id"),
        Index(
            "uq_party_member_guardian",
            "hub_id",
            "party_id",
            unique=True,
            postgresql_where=text("role = 'GUARDIAN'"),
        ),
    )

    hub_id: Mapped[HubKey]
    screening_id: Mapped[UuidKey]
    party_id: Mapped[UUID]
    role: Mapped[str]
    joined_at: Mapped[datetime]


class Alert(Base):
    """Something that a person must see to; of each kind at most one is open of a screening."""

    __tablename__ = "alert"
    __table_args__ = (
        Index(None, "hub_id", "raised_at", "alert_id"),
        Index(
            "uq_alert_hub_id_subject_id_kind_open",
            "hub_id",
            "subject_id",
            "kind",
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
        ),
    )

    hub_id: Mapped[HubKey]
    alert_id: Mapped[UuidKey]
    kind: Mapped[str]
    subject_id: Mapped[UUID]
    raised_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    """When it goes to the next level; None: nobody is left to tell."""
    level: Mapped[int] = mapped_column(SmallInteger)
    facts: Mapped[dict[str, object]] = mapped_column(JSONB)
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[UUID | None]
    closed_reason: Mapped[str | None]


class Deviation(Base):
    """Somebody went on against what was decided: on what ground, and who wanted it."""

    __tablename__ = "deviation"
    __table_args__ = (Index(None, "recorded_at", "hub_id"),)

    hub_id: Mapped[HubKey]
    deviation_id: Mapped[UuidKey]
    screening_id: Mapped[UUID]
    event: Mapped[str]
    ground: Mapped[str]
    reason: Mapped[str]
    rules: Mapped[list[str]]
    """What had decided otherwise."""
    approval_id: Mapped[UUID | None]
    """None: the rules leave it to one officer."""
    recorded_at: Mapped[datetime]
    operator_id: Mapped[UUID]
    device_id: Mapped[UUID]


class PolicyReplay(Base):
    """A policy tried on stored checks. At most one of a hub is at work or waits for it."""

    __tablename__ = "policy_replay"
    __table_args__ = (
        Index(
            "uq_policy_replay_open",
            "hub_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    hub_id: Mapped[HubKey]
    replay_id: Mapped[UuidKey]
    version: Mapped[str]
    since: Mapped[datetime]
    until: Mapped[datetime]
    asked_by: Mapped[UUID | None]
    asked_at: Mapped[datetime]
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(SmallInteger)
    """How often a process began it; who began it before may not write to it any more."""
    checks: Mapped[int] = mapped_column(BigInteger)
    """Replayed so far."""
    checks_expected: Mapped[int | None] = mapped_column(BigInteger)
    seen_at: Mapped[datetime | None]
    """When its process last said that it is at work."""
    ended_at: Mapped[datetime | None]
    fault: Mapped[str | None]
    found: Mapped[dict[str, object] | None] = mapped_column(JSONB)
