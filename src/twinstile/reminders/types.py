"""The words of a notice, which may follow which, and when to try again: no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from twinstile.platform.security.hub_modes import HubMode
from twinstile.screening.types import NoticeState

_S = NoticeState
_GIVEN_OUT: Final = frozenset({_S.SENDING, _S.HANDED, _S.SENT, _S.UNKNOWN, _S.FAILED})
FOLLOWS: Final[Mapping[NoticeState, frozenset[NoticeState]]] = {
    _S.WAITING: frozenset({_S.SENDING}),
    _S.SENDING: frozenset({_S.WAITING}),
    _S.HANDED: frozenset({_S.SENDING}),
    _S.SENT: frozenset({_S.SENDING, _S.HANDED, _S.UNKNOWN, _S.FAILED}),
    _S.DELIVERED: _GIVEN_OUT,
    _S.RECEIVED: _GIVEN_OUT | {_S.DELIVERED},
    _S.FAILED: frozenset({_S.WAITING, _S.SENDING, _S.HANDED, _S.SENT, _S.UNKNOWN}),
    _S.UNKNOWN: frozenset({_S.SENDING}),
    _S.WITHDRAWN: frozenset({_S.WAITING, _S.SENDING}),
}
"""For each state those it may come after: what is known is not unlearned by a late word."""

RETRIES: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
"""How long to wait after each try of a batch that the channel could not take at all."""
OPENS_AFTER: Final = 5
"""Failures of a channel in a row, after which it is let alone for a while."""
PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(minutes=10)
LONGEST_LIFE: Final = timedelta(hours=24)
"""A message nobody took in this time is taken back: an address lies open no longer."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel sends to one address."""

    notice_id: UUID
    contact: str
    to: str = field(repr=False)
    language: str
    text: str
    counts: Mapping[str, int] | None = None
    """For those on board: how many read which languages, where they are not few."""


@dataclass(frozen=True, slots=True)
class MessageBatch:
    """Messages given to a channel at once, all of one run."""

    batch_id: UUID
    hub_id: str
    not_after: datetime
    """Sent later they are of no use."""
    mode: HubMode = HubMode.PRODUCTION


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """What a channel says of one message."""

    state: NoticeState
    ref: str | None = None
    """The provider's own id of it."""
    code: str | None = None
    """A word for why."""


@dataclass(frozen=True, slots=True)
class ChannelHealth:
    """How a channel has done lately."""

    failures: int = 0
    since: datetime | None = None
    open_until: datetime | None = None
    code: str | None = None

    def after(
        self, code: str | None, at: datetime, wait: timedelta | None = None
    ) -> "ChannelHealth":
        """After one more batch: None when it went well, else a word for why it did not.

        From the fifth failure in a row on the channel is let alone for half a minute, then for
        twice as long each time; the next batch is the probe. Where the channel says how long
        to `wait`, it is let alone for that time at least.
        """
        if code is None:
            return ChannelHealth()
        failures = self.failures + 1
        beyond = failures - OPENS_AFTER
        pause = max(
            min(PAUSE * 2 ** min(beyond, 10), LONGEST_PAUSE) if beyond >= 0 else timedelta(),
            min(wait or timedelta(), LONGEST_PAUSE),
        )
        return ChannelHealth(failures, self.since or at, at + pause if pause else None, code)


def retry_at(attempts: int, at: datetime) -> datetime | None:
    """When a message is tried again that was tried so many times; None: never."""
    return at + RETRIES[attempts - 1] if attempts <= len(RETRIES) else None
