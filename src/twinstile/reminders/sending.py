"""Sending what was ordered: the worker's part, safe to be killed at any moment.

A batch is claimed in one transaction, which also opens its addresses and records that; it is
given to the channel outside of any; what the channel said is entered in another. What lies
between the two is asked about later, never sent again by itself.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from twinstile.arrivals import manifests
from twinstile.platform.db.database import Transaction
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ops import observability
from twinstile.platform.security import devices
from twinstile.reminders import delivery_receipts, health, rendering, routing, texts
from twinstile.reminders.channels import AnswerLost, Channel, ChannelDown, FileChannel
from twinstile.reminders.types import (
    LONGEST_LIFE,
    ChannelHealth,
    DeliveryOutcome,
    Message,
    MessageBatch,
    retry_at,
)
from twinstile.screening.types import NoticeState

LONGEST_S: Final = 30.0
"""How long a tick goes on giving out batches of a hub; more wait for the next."""
MARGIN: Final = timedelta(seconds=45)
"""How long after a channel's deadline its answer counts as lost."""
ASKED_AT_ONCE: Final = 2000


@dataclass(frozen=True, slots=True)
class Outbox:
    """What sending needs: the house, and the channels by name."""

    runtime: Runtime
    channels: Mapping[str, Channel]


def outbox(runtime: Runtime) -> Outbox:
    """The channels of this installation."""
    return Outbox(runtime, routing.of(runtime.settings).open())


@dataclass(frozen=True, slots=True)
class _Claim:
    """A batch that is ours to send; `attempts` of each message, this one included."""

    batch: MessageBatch
    channel: str
    messages: Sequence[Message]
    attempts: Mapping[UUID, int]


async def run(out: Outbox, hub_id: str, now: datetime) -> None:
    """Ask about what was given out, then send what is due; no channel waits for another."""
    await _give_up(out, hub_id, now)
    served = (_serve(out, hub_id, name, now) for name in out.channels)
    for failed in await asyncio.gather(*served, return_exceptions=True):
        if failed is not None:
            raise failed


async def _serve(out: Outbox, hub_id: str, name: str, now: datetime) -> None:
    channel, until = out.channels[name], time.monotonic() + LONGEST_S
    if isinstance(channel, FileChannel):
        await asyncio.to_thread(channel.tidy, hub_id, now)
    await _follow_up(out, hub_id, name, now)
    while time.monotonic() < until:
        async with out.runtime.database.transaction() as tx:
            claim = await _claim(tx, out, hub_id, name, now)
        if claim is None:
            return
        if claim.messages:
            await _send(out, claim, now)


_ORPHANS = """
SELECT notice_id, state FROM notice
WHERE hub_id = $1 AND due_at <= $2 AND channel <> ALL($3::text[]) LIMIT $4
"""


async def _give_up(out: Outbox, hub_id: str, now: datetime) -> None:
    """End messages of channels that are no more: nobody else would ever look at them."""
    async with out.runtime.database.transaction() as tx:
        rows = await tx.raw.fetch(_ORPHANS, hub_id, now, list(out.channels), ASKED_AT_ONCE)
        words: dict[UUID, DeliveryOutcome] = {}
        for notice_id, state in rows:
            sending = state == NoticeState.SENDING
            after = NoticeState.UNKNOWN if sending else NoticeState.FAILED
            words[notice_id] = DeliveryOutcome(after, code="no-channel")
        if words:
            await delivery_receipts.settle(tx, hub_id, words, now)


_NEXT = """
SELECT run_id FROM notice
WHERE hub_id = $1 AND due_at <= $2 AND state = 'WAITING' AND channel = $3
ORDER BY due_at LIMIT 1
"""
# A subquery in FROM would be run, and take others, for each row it is joined with.
_CLAIM = """
WITH taken AS MATERIALIZED (
    SELECT notice_id FROM notice
    WHERE hub_id = $1 AND run_id = $3 AND channel = $4 AND state = 'WAITING' AND due_at <= $2
    ORDER BY notice_id LIMIT $7 FOR UPDATE SKIP LOCKED
)
UPDATE notice n SET state = 'SENDING', at = $2, batch_id = $5, attempts = n.attempts + 1,
    due_at = $6
FROM taken t
WHERE n.hub_id = $1 AND n.notice_id = t.notice_id
RETURNING n.notice_id, n.person_id, n.kind, n.language, n.attempts, n.contact
"""


async def _claim(
    tx: Transaction, out: Outbox, hub_id: str, name: str, now: datetime
) -> _Claim | None:
    """Take the messages of one run that are due; None when there are none."""
    paused = (await health.of(tx, hub_id)).get(name, ChannelHealth()).open_until
    if paused is not None and paused > now:
        return None
    row = await tx.raw.fetchrow(_NEXT, hub_id, now, name)
    if row is None:
        return None
    run_id = row[0]
    channel, batch_id = out.channels[name], uuid7()
    stale = now + timedelta(seconds=channel.deadline_s) + MARGIN
    place = (hub_id, now, run_id, name, batch_id, stale)
    rows = await tx.raw.fetch(_CLAIM, *place, channel.at_once)
    due = await manifests.run_due(tx, hub_id, run_id)
    hub, mode = await devices.hub(tx, hub_id)
    batch = MessageBatch(batch_id, hub_id, min(due.arrival, now + LONGEST_LIFE), mode)
    local = due.arrival.astimezone(out.runtime.settings.zone)
    told = texts.TextContext(hub, due.service_no, local)
    messages = await rendering.messages(tx, out.runtime, hub_id, due, told, rows, now)
    return _Claim(batch, name, messages, {row[0]: row[4] for row in rows})


async def _send(out: Outbox, claim: _Claim, now: datetime) -> None:
    """Give a batch to its channel and enter the answer; without one it is asked for later."""
    channel, hub_id = out.channels[claim.channel], claim.batch.hub_id
    said: Mapping[UUID, DeliveryOutcome] = {}
    fault: str | None = None
    wait = timedelta()
    try:
        async with asyncio.timeout(channel.deadline_s):
            said = await channel.send(claim.batch, claim.messages)
        if len(said) < len(claim.messages):
            fault = "half-answered"
    except ChannelDown as down:
        fault, wait = down.code, down.wait or wait
        none = DeliveryOutcome(NoticeState.WAITING, code=down.code)
        said = {message.notice_id: none for message in claim.messages}
    except AnswerLost as lost:
        fault = lost.code
    except Exception as error:  # noqa: BLE001 # whatever a channel does, the others go on
        fault = "no-answer"
        observability.log.error(
            "a channel did not answer",
            hub=hub_id,
            channel=claim.channel,
            error=observability.error_kind(error),
        )
    async with out.runtime.database.transaction() as tx:
        await _enter(tx, hub_id, said, claim.attempts, now, wait, channel.asked_every)
        await health.note(tx, hub_id, claim.channel, fault, now, wait)


async def _enter(
    tx: Transaction,
    hub_id: str,
    outcomes: Mapping[UUID, DeliveryOutcome],
    attempts: Mapping[UUID, int],
    now: datetime,
    wait: timedelta,
    asked_every: timedelta,
) -> None:
    """Enter answers; what was not taken is tried again, unless it was too often."""
    words: dict[UUID, DeliveryOutcome] = {}
    due: dict[UUID, datetime] = {}
    for notice_id, outcome in outcomes.items():
        words[notice_id] = outcome
        match outcome.state:
            case NoticeState.HANDED:
                due[notice_id] = now + asked_every
            case NoticeState.WAITING:
                again = retry_at(attempts[notice_id], now)
                if again is None:
                    words[notice_id] = DeliveryOutcome(NoticeState.FAILED, code=outcome.code)
                else:
                    due[notice_id] = max(again, now + wait)
            case _:
                pass
    if words:
        await delivery_receipts.settle(tx, hub_id, words, now, due)


_OPEN = """
SELECT batch_id, run_id, state, min(at), array_agg(notice_id), array_agg(attempts)
FROM notice
WHERE hub_id = $1 AND due_at <= $2 AND state IN ('SENDING', 'HANDED') AND channel = $3
GROUP BY batch_id, run_id, state ORDER BY min(due_at) LIMIT $4
"""


async def _follow_up(out: Outbox, hub_id: str, name: str, now: datetime) -> None:
    """Ask a channel about batches it has, and about those it never answered.

    One that says nothing is not asked about the others before the next tick.
    """
    channel, until = out.channels[name], time.monotonic() + LONGEST_S / 2
    async with out.runtime.database.reading() as tx:
        rows = await tx.raw.fetch(_OPEN, hub_id, now, name, ASKED_AT_ONCE)
        arrivals = {
            run_id: (await manifests.run_due(tx, hub_id, run_id)).arrival
            for run_id in {row[1] for row in rows}
        }
    for batch_id, run_id, state, since, notices, attempts in rows:
        handed = state == NoticeState.HANDED
        batch = MessageBatch(batch_id, hub_id, min(arrivals[run_id], since + LONGEST_LIFE))
        if time.monotonic() > until:
            return
        said = await _asked(channel, batch, notices, now, handed=handed)
        if said is None:
            observability.CHANNEL_FAULTS.labels(hub_id, name, "no-answer").inc()
            return
        if not handed:
            lost = DeliveryOutcome(NoticeState.UNKNOWN, code="answer-lost")
            said = dict.fromkeys(notices, lost) | said
        news = {n: outcome for n, outcome in said.items() if outcome.state != state}
        every, tries = channel.asked_every, dict(zip(notices, attempts, strict=True))
        async with out.runtime.database.transaction() as tx:
            if news:
                await _enter(tx, hub_id, news, tries, now, timedelta(), every)
            await delivery_receipts.look_again(tx, hub_id, tries.keys() - news, now + every)


async def _asked(
    channel: Channel,
    batch: MessageBatch,
    notices: Sequence[UUID],
    now: datetime,
    *,
    handed: bool,
) -> dict[UUID, DeliveryOutcome] | None:
    """What the channel says; None when it says nothing just now, and is asked again."""
    try:
        async with asyncio.timeout(channel.deadline_s):
            return dict(await channel.ask(batch, notices, now, answered=handed))
    except Exception as error:  # noqa: BLE001 # whatever a channel does, the others go on
        observability.log.error(
            "a channel was asked in vain",
            hub=batch.hub_id,
            error=observability.error_kind(error),
        )
        return None
