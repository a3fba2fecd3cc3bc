"""Paper forms that were keyed in, and tallies of people nobody wrote down."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from twinstile.platform.db.tables import Base, HubKey, UuidKey


class PaperForm(Base):
    """A form filled in by hand; what it says is the check of this id."""

    __tablename__ = "paper_form"
    __table_args__ = (
        UniqueConstraint("hub_id", "check_id"),
        Index(
            "ix_paper_form_hub_id_keyed_at_open",
            "hub_id",
            "keyed_at",
            postgresql_where=text("fever AND second_at IS NULL"),
        ),
    )

    hub_id: Mapped[HubKey]
    form_no: Mapped[str] = mapped_column(primary_key=True)
    check_id: Mapped[UUID]
    fever: Mapped[bool]
    """A second person has to look whether it was keyed as it was written."""
    keyed_by: Mapped[UUID]
    device_id: Mapped[UUID]
    keyed_at: Mapped[datetime]
    second_by: Mapped[UUID | None]
    second_at: Mapped[datetime | None]
    agrees: Mapped[bool | None]
    reason: Mapped[str | None]


class Tally(Base):
    """People counted at a lane within an hour without the service, nobody by name."""

    __tablename__ = "tally"
    __table_args__ = (
        Index(
            "uq_tally_hub_id_lane_id_hour_valid",
            "hub_id",
            "lane_id",
            "hour",
            unique=True,
            postgresql_where=text("superseded_by IS NULL"),
        ),
        Index(None, "hub_id", "since"),
    )

    hub_id: Mapped[HubKey]
    tally_id: Mapped[UuidKey]
    lane_id: Mapped[str]
    hour: Mapped[datetime]
    """The clock hour it lies in: each lane has one valid tally of an hour."""
    since: Mapped[datetime]
    until: Mapped[datetime]
    passed: Mapped[int]
    fever_suspected: Mapped[int]
    refused: Mapped[int]
    not_screened: Mapped[int]
    recorded_at: Mapped[datetime]
    device_id: Mapped[UUID]
    operator_id: Mapped[UUID | None]
    superseded_by: Mapped[UUID | None]
