"""Departments that come themselves: known by a signature, each of which is good once.

A stranger costs no transaction and is told nothing, not even which feeds there are. Whoever
holds a key and gets something else wrong (its clock, a request sent twice) is shown as the
fault of its feed.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from twinstile.arrivals.feeds import inbox
from twinstile.arrivals.feeds.config import FeedSource
from twinstile.arrivals.feeds.inbox import ReceivedDelivery
from twinstile.arrivals.records import Delivery
from twinstile.arrivals.transport import FeedFault
from twinstile.platform.db.database import Transaction
from twinstile.platform.http import request_signatures
from twinstile.platform.http.request_signatures import (
    SKEW,
    SharedKey,
    SignatureFault,
    SignedHead,
)
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ops import observability

FAULTS_OF_KEY_HOLDERS: Final = frozenset({"clock-skew", "digest-mismatch", "nonce-used"})
"""Faults of somebody who holds the key."""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as far as it is signed: `target` is path and query as they were sent."""

    method: str
    target: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class VerifiedPush:
    """Who came, and with what signature."""

    sender: FeedSource
    signed: SignedHead


async def verify_push(
    runtime: Runtime,
    senders: Sequence[FeedSource],
    feed: str,
    request: SignedRequest,
    now: datetime,
) -> VerifiedPush:
    """Who signed the head of a request. Raises `SignatureFault`."""
    named = [one for one in senders if one.feed.name == feed and one.keys]
    keys = await asyncio.to_thread(_read, named)
    try:
        signed = request_signatures.verify(
            keys, request.method, request.target, request.headers, now
        )
    except SignatureFault as fault:
        if fault.reason in FAULTS_OF_KEY_HOLDERS:
            key_id = request.headers.get(request_signatures.KEY_ID, "")
            await record_fault(runtime, _source_of_key(named, key_id), fault.reason, now)
        raise
    return VerifiedPush(_source_of_key(named, signed.key.key_id), signed)


def _read(senders: Sequence[FeedSource]) -> list[SharedKey]:
    """Their keys; one whose file cannot be read lets nobody in, and says so in the log."""
    keys: list[SharedKey] = []
    for sender in senders:
        for key in sender.keys:
            try:
                keys.append(key.read())
            except FeedFault as fault:
                observability.log.error(
                    "key of a feed", feed=sender.feed.name, fault=fault.reason
                )
    return keys


def _source_of_key(senders: Sequence[FeedSource], key_id: str) -> FeedSource:
    return next(one for one in senders if any(key.key_id == key_id for key in one.keys))


async def receive_push(
    runtime: Runtime, push: VerifiedPush, delivery: Delivery, now: datetime
) -> ReceivedDelivery:
    """Land what a department brought. Raises `SignatureFault`."""
    try:
        push.signed.check(delivery.body)
        return await _receive(runtime, push, delivery, now)
    except SignatureFault as fault:
        await record_fault(runtime, push.sender, fault.reason, now)
        raise


async def _receive(
    runtime: Runtime, push: VerifiedPush, delivery: Delivery, now: datetime
) -> ReceivedDelivery:
    feed = push.sender.feed
    async with runtime.database.transaction() as tx:
        if not await _use_nonce(tx, push, now):
            raise SignatureFault("nonce-used")
        landed = await inbox.receive(tx, runtime.keys.of(feed.hub_id), feed, delivery, now)
        await tx.raw.execute(_WELL, feed.hub_id, feed.name, now)
    return landed


_ONCE = """
WITH over AS (DELETE FROM feed_nonce WHERE hub_id = $1 AND feed = $2 AND used_at < $5)
INSERT INTO feed_nonce (hub_id, feed, nonce, used_at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING 1
"""
_WELL = """
UPDATE feed_state SET polled_at = $3, as_of = $3, fault = NULL, fault_at = NULL, failures = 0
WHERE hub_id = $1 AND feed = $2
"""
_FAIL = """
INSERT INTO feed_state (hub_id, feed, fault, fault_at, failures) VALUES ($1, $2, $3, $4, 1)
ON CONFLICT (hub_id, feed) DO UPDATE
SET fault = $3, fault_at = $4, failures = feed_state.failures + 1
"""


async def _use_nonce(tx: Transaction, push: VerifiedPush, now: datetime) -> bool:
    """Whether the nonce is new; it is kept until its time is too old for any clock."""
    feed, signed = push.sender.feed, push.signed
    nonce = hashlib.sha256(f"{signed.key.key_id} {signed.nonce}".encode()).digest()
    kept = await tx.raw.fetchrow(_ONCE, feed.hub_id, feed.name, nonce, now, now - 2 * SKEW)
    return kept is not None


async def record_fault(runtime: Runtime, sender: FeedSource, fault: str, now: datetime) -> None:
    """Show what was wrong with the feed."""
    async with runtime.database.transaction() as tx:
        await tx.raw.execute(_FAIL, sender.feed.hub_id, sender.feed.name, fault, now)
