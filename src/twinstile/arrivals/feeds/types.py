"""The words of feeds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """One feed of one hub, as far as what it sends is concerned.

    `format` is a name of `reading.READERS`, `options` are its own; `zone` is the hub's.
    """

    hub_id: str
    name: str
    format: str
    zone: ZoneInfo
    stops: frozenset[str] = frozenset()
    """The hub's own codes of stops, where a format speaks of many."""
    options: Mapping[str, str] = field(default_factory=dict[str, str])

    def today(self, now: datetime) -> date:
        """The hub's day."""
        return now.astimezone(self.zone).date()


class DeliveryState(StrEnum):
    """Where a delivery stands. A DEAD one was given up: somebody looks at it and replays it."""

    LANDED = "LANDED"
    APPLIED = "APPLIED"
    DEAD = "DEAD"
    REFUSED = "REFUSED"


class ReceiptOutcome(StrEnum):
    """What became of something a transport brought."""

    NEW = "NEW"
    DUPLICATE = "DUPLICATE"  # these very bytes had landed before
    REFUSED = "REFUSED"  # counted, and nobody reads it
    NOTHING = "NOTHING"  # there was no delivery; the cursor has moved


@dataclass(frozen=True, slots=True)
class ReceivedDelivery:
    """What became of it; `delivery_id` is that of a new or refused delivery."""

    outcome: ReceiptOutcome
    delivery_id: UUID | None = None
