"""Fever cases and where each was sent."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index, SmallInteger, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from twinstile.platform.db.tables import Base, HubKey, UuidKey


class CaseDay(Base):
    """The last case number given out on a day."""

    __tablename__ = "case_day"

    hub_id: Mapped[HubKey]
    day: Mapped[str] = mapped_column(primary_key=True)
    last: Mapped[int]


class FeverCase(Base):
    """A case: opened by confirmed abnormal evidence, a clinician or an emergency.

    `state` is a projection of the case's events. Sex, age and origin are coarse facts for the
    line list; who the person is stays in the vault, under the key of the case.
    """

    __tablename__ = "fever_case"
    __table_args__ = (
        UniqueConstraint("hub_id", "case_no"),
        Index(
            "uq_fever_case_screening",
            "hub_id",
            "screening_id",
            unique=True,
            postgresql_where=text("state <> 'CLOSED_MERGED'"),
        ),
        Index(None, "screening_id", "hub_id"),
        Index(None, "followed_by", "hub_id", postgresql_where=text("followed_by IS NOT NULL")),
        Index(None, "hub_id", "opened_at", "case_id"),
        Index(
            "ix_fever_case_hub_id_due_at",
            "hub_id",
            "due_at",
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index(
            "uq_fever_case_episode",
            "hub_id",
            "episode_of",
            unique=True,
            postgresql_where=text("closed_at IS NULL AND episode_of IS NOT NULL"),
        ),
        Index(
            None,
            "facility_id",
            "hub_id",
            postgresql_where=text("closed_at IS NULL AND facility_id IS NOT NULL"),
        ),
        Index(None, "late_since", "hub_id", postgresql_where=text("late_since IS NOT NULL")),
    )

    hub_id: Mapped[HubKey]
    case_id: Mapped[UuidKey]
    case_no: Mapped[str]
    screening_id: Mapped[UUID]
    person_id: Mapped[UUID | None]
    run_id: Mapped[UUID | None]
    origin: Mapped[str]
    state: Mapped[str]
    opened_at: Mapped[datetime]
    state_since: Mapped[datetime]
    due_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    first_tenths: Mapped[int | None] = mapped_column(SmallInteger)
    peak_tenths: Mapped[int | None] = mapped_column(SmallInteger)
    sex: Mapped[str | None]
    age_years: Mapped[int | None] = mapped_column(SmallInteger)
    episode_of: Mapped[UUID | None]
    """The first of the kin whose only open case this is; null where nobody is known."""
    severity: Mapped[str | None]
    facility_id: Mapped[str | None]
    """Where it was sent last, of the facilities the hub has entered."""
    late_since: Mapped[datetime | None]
    """Since when its state is overdue."""
    followed_by: Mapped[UUID | None]
    """Of a merged case that which goes on with it by now. A projection of the merges."""


class CaseMerge(Base):
    """That a case became part of another, and if that was undone, what follows it."""

    __tablename__ = "case_merge"
    __table_args__ = (Index(None, "into_id", "hub_id"),)

    hub_id: Mapped[HubKey]
    case_id: Mapped[UuidKey]
    into_id: Mapped[UUID]
    cause: Mapped[str]
    reason: Mapped[str | None]
    merged_at: Mapped[datetime]
    device_id: Mapped[UUID | None]
    operator_id: Mapped[UUID | None]
    follow_ups: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    """Contacts to be made that went over to the other case."""
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[UUID | None]
    undone_reason: Mapped[str | None]
    successor_id: Mapped[UUID | None]


class DispositionRecord(Base):
    """Where a case was sent, by whose decision. The last recorded one is final; all are kept.

    `state` is what the decision moved the case to.
    """

    __tablename__ = "disposition"
    __table_args__ = (Index(None, "case_id", "recorded_at", "hub_id"),)

    hub_id: Mapped[HubKey]
    disposition_id: Mapped[UuidKey]
    case_id: Mapped[UUID]
    code: Mapped[str]
    state: Mapped[str]
    receiver: Mapped[str | None]
    reason: Mapped[str | None]
    consent: Mapped[bool | None]
    decided_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    device_id: Mapped[UUID]
    operator_id: Mapped[UUID]
    particulars: Mapped[dict[str, object]] = mapped_column(JSONB, server_default=text("'{}'"))


class Acknowledgement(Base):
    """What a receiver said when asked by a disposition to take the patient. Appended."""

    __tablename__ = "acknowledgement"
    __table_args__ = (Index(None, "case_id", "hub_id"),)

    hub_id: Mapped[HubKey]
    acknowledgement_id: Mapped[UuidKey]
    case_id: Mapped[UUID]
    disposition_id: Mapped[UUID]
    reply: Mapped[str]
    reference: Mapped[str | None]
    reason: Mapped[str | None]
    said_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    device_id: Mapped[UUID]
    operator_id: Mapped[UUID | None]


class OriginNotice(Base):
    """That the place of origin of somebody sent back was told of it. Appended."""

    __tablename__ = "origin_notice"
    __table_args__ = (Index(None, "case_id", "hub_id"),)

    hub_id: Mapped[HubKey]
    notice_id: Mapped[UuidKey]
    case_id: Mapped[UUID]
    disposition_id: Mapped[UUID]
    office: Mapped[str]
    by: Mapped[str]
    reference: Mapped[str | None]
    told_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    device_id: Mapped[UUID]
    operator_id: Mapped[UUID | None]


class ClinicalAssessment(Base):
    """How ill a patient was found, by whom. Appended; the case has the last one's severity."""

    __tablename__ = "assessment"
    __table_args__ = (Index(None, "case_id", "hub_id"),)

    hub_id: Mapped[HubKey]
    assessment_id: Mapped[UuidKey]
    case_id: Mapped[UUID]
    severity: Mapped[str]
    symptoms: Mapped[list[str]]
    onset_on: Mapped[date | None]
    reason: Mapped[str | None]
    assessed_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    device_id: Mapped[UUID]
    operator_id: Mapped[UUID | None]


class Room(Base):
    """Where people wait at the hub: a place with a number of places."""

    __tablename__ = "room"

    hub_id: Mapped[HubKey]
    room_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]
    capacity: Mapped[int] = mapped_column(SmallInteger)
    care_minutes: Mapped[int] = mapped_column(SmallInteger)


class Facility(Base):
    """A receiver the hub sends people to; `capacity` is of places for the hub's, if known."""

    __tablename__ = "facility"

    hub_id: Mapped[HubKey]
    facility_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]
    capacity: Mapped[int | None] = mapped_column(SmallInteger)


class Stay(Base):
    """A patient in a room, until they leave it: at most one at a time for a case."""

    __tablename__ = "stay"
    __table_args__ = (
        Index(None, "case_id", "hub_id"),
        Index(
            "uq_stay_in_room",
            "hub_id",
            "case_id",
            unique=True,
            postgresql_where=text("left_at IS NULL"),
        ),
        Index(None, "room_id", "hub_id", postgresql_where=text("left_at IS NULL")),
    )

    hub_id: Mapped[HubKey]
    stay_id: Mapped[UuidKey]
    case_id: Mapped[UUID]
    room_id: Mapped[str]
    entered_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    beyond_capacity: Mapped[bool]
    device_id: Mapped[UUID]
    operator_id: Mapped[UUID | None]
    left_at: Mapped[datetime | None]
    """By our clock. Null while they are in it."""


class CareRecord(Base):
    """What somebody in a room was given. Appended."""

    __tablename__ = "care"
    __table_args__ = (Index(None, "case_id", "hub_id"),)

    hub_id: Mapped[HubKey]
    care_id: Mapped[UuidKey]
    case_id: Mapped[UUID]
    stay_id: Mapped[UUID]
    given: Mapped[list[str]]
    tenths: Mapped[int | None] = mapped_column(SmallInteger)
    note: Mapped[str | None]
    given_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    device_id: Mapped[UUID]
    operator_id: Mapped[UUID | None]


class CaseWait(Base):
    """What a case waits for beside the end of its state. Ends when it comes, or cannot come.

    A projection: what it rings is an event. `due_at` is when it rings next.
    """

    __tablename__ = "case_wait"
    __table_args__ = (
        Index(None, "case_id", "hub_id"),
        Index(None, "due_at", "hub_id"),
        Index(None, "late_since", "hub_id", postgresql_where=text("late_since IS NOT NULL")),
    )

    hub_id: Mapped[HubKey]
    subject_id: Mapped[UuidKey]
    kind: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[UUID]
    due_at: Mapped[datetime]
    late_since: Mapped[datetime | None]


class Leg(Base):
    """A way of a patient to a receiver, in somebody's custody, until it ends. One at a time."""

    __tablename__ = "leg"
    __table_args__ = (
        Index(None, "case_id", "hub_id"),
        Index(
            "uq_leg_on_the_way",
            "hub_id",
            "case_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    hub_id: Mapped[HubKey]
    leg_id: Mapped[UuidKey]
    case_id: Mapped[UUID]
    receiver: Mapped[str]
    facility_id: Mapped[str | None]
    vehicle: Mapped[str]
    vehicle_no: Mapped[str | None]
    crew: Mapped[list[str]]
    reason: Mapped[str | None]
    departed_at: Mapped[datetime]
    expected_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    device_id: Mapped[UUID]
    operator_id: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]
    ending: Mapped[str | None]


class HandoverReceipt(Base):
    """What a receiver answered about a way, in words the hub has signed. Appended.

    `document` is what `signature` (Ed25519, base64) is over.
    """

    __tablename__ = "receipt"
    __table_args__ = (Index(None, "leg_id", "hub_id"), Index(None, "case_id", "hub_id"))

    hub_id: Mapped[HubKey]
    receipt_id: Mapped[UuidKey]
    case_id: Mapped[UUID]
    leg_id: Mapped[UUID]
    answer: Mapped[str]
    signed_by: Mapped[str]
    reason: Mapped[str | None]
    via: Mapped[str]
    said_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    document: Mapped[str]
    key_id: Mapped[str]
    signature: Mapped[str]
    device_id: Mapped[UUID | None]
    operator_id: Mapped[UUID | None]


class CaseLink(Base):
    """A link that somebody outside holds: what it opens, until when. The secret is hashed."""

    __tablename__ = "case_link"
    __table_args__ = (
        UniqueConstraint("hub_id", "secret_hash"),
        Index(None, "case_id", "hub_id"),
    )

    hub_id: Mapped[HubKey]
    link_id: Mapped[UuidKey]
    case_id: Mapped[UUID]
    kind: Mapped[str]
    subject_id: Mapped[UUID]
    secret_hash: Mapped[bytes]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    device_id: Mapped[UUID]
    operator_id: Mapped[UUID | None]
