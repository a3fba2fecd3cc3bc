"""Policies as stored: each version once, with the interval in which it holds."""

from datetime import datetime

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from twinstile.platform.tables import Base, HubKey


class Policy(Base):
    """One version of a hub's policy. Never changed: a correction is a later version."""

    __tablename__ = "policy"

    hub_id: Mapped[HubKey]
    version: Mapped[str] = mapped_column(primary_key=True)
    effective_from: Mapped[datetime]
    recorded_at: Mapped[datetime]
    document: Mapped[dict[str, object]] = mapped_column(JSONB)
