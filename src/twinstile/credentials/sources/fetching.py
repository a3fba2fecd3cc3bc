"""Asking sources of trust lists, by one process at a time, and landing what they tell.

A source that fails leaves its last good word standing, which grows older and is seen to. What
comes is bounded in size and time, never goes back behind itself, and goes through the same
pipeline as a list that a person brings.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from pydantic import TypeAdapter

from twinstile.credentials.sources import parts, signatures
from twinstile.credentials.sources.parts import SourceFault, SourcePart
from twinstile.credentials.sources.settings import ConfiguredSource
from twinstile.credentials.trust import Domain, HashType, Slice
from twinstile.credentials.trusting import fetched_lists, snapshots
from twinstile.credentials.trusting.fetched_lists import Fetched
from twinstile.credentials.trusting.lists import TrustListOlder
from twinstile.platform.db.database import Database, Transaction, as_json
from twinstile.platform.http.circuit_breaker import Breaker
from twinstile.platform.http.outbound import CallFault, Outbound
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.ops import observability

AT_ONCE: Final = 4
AGAIN: Final = timedelta(minutes=5)
"""After a failure; sooner where a source is asked more often."""
AHEAD: Final = timedelta(minutes=5)
"""How far a source's clock may be ahead of ours."""
LONGEST_ETAG: Final = 200

_BREAKER: Final = TypeAdapter(Breaker)


@dataclass(frozen=True, slots=True)
class _Turn:
    """A question that is this process's to ask."""

    etag: str | None
    told_at: datetime | None
    breaker: Breaker


@dataclass(frozen=True, slots=True)
class _Word:
    """A good answer. `body` None: the last one still stands."""

    as_of: datetime | None
    body: bytes | None = field(default=None, repr=False)
    etag: str | None = None
    told_at: datetime | None = None
    signature: bytes | None = None


async def run(
    database: Database,
    keys: KeyFiles,
    sources: Sequence[ConfiguredSource],
    hub_id: str,
    now: datetime,
) -> None:
    """Ask the sources of a hub that are due, and land what they tell.

    Raises `Problem`, `KeyUnavailable`, `MasterUnavailable` for trouble of our own.
    """
    own = [one for one in sources if one.hub_id == hub_id]
    places = asyncio.Semaphore(AT_ONCE)

    async def ask(source: ConfiguredSource) -> bool:
        async with places:
            return await _ask(database, source, now)

    if not any(await asyncio.gather(*map(ask, own))):
        return
    told = await _told(database, own, hub_id)
    if not told:
        return
    fetched = _together(told)
    if fetched.not_after <= now:
        observability.log.warning("trust list not landed", hub=hub_id, fault="over")
        return
    offer = fetched.offer(1, None)
    believed = await asyncio.to_thread(snapshots.believe, offer)
    try:
        async with database.transaction() as tx:
            landed = await fetched_lists.land(tx, hub_id, keys, fetched, believed, now)
    except TrustListOlder:
        observability.log.warning("trust list not landed", hub=hub_id, fault="older")
        return
    if landed is not None:
        observability.log.info(
            "trust list landed", hub=hub_id, version=landed.version, waits=landed.waits
        )


async def _ask(database: Database, source: ConfiguredSource, now: datetime) -> bool:
    """Whether the source gave or confirmed its word."""
    async with database.transaction() as tx:
        turn = await _claim(tx, source, now)
    if turn is None:
        return False
    word, fault = None, None
    try:
        word = await _get(source, turn, now)
    except (CallFault, SourceFault) as error:
        fault = error.reason
        observability.log.warning(
            "trust source failed", hub=source.hub_id, source=source.name, fault=fault
        )
    async with database.transaction() as tx:
        await _settle(tx, source, turn, word, fault, now)
    outcome = "failed" if word is None else "same" if word.body is None else "new"
    observability.TRUST_FETCHES.labels(source.hub_id, source.name, outcome).inc()
    return word is not None


_ENTER = """
INSERT INTO trust_source (hub_id, source, failures, breaker) VALUES ($1, $2, 0, '{}')
ON CONFLICT DO NOTHING
"""
_STAND = """
SELECT asked_at, fault, etag, told_at, breaker, body IS NOT NULL FROM trust_source
WHERE hub_id = $1 AND source = $2 FOR UPDATE SKIP LOCKED
"""
_CLAIM = """
UPDATE trust_source SET asked_at = $3, breaker = $4::jsonb WHERE hub_id = $1 AND source = $2
"""


async def _claim(tx: Transaction, source: ConfiguredSource, now: datetime) -> _Turn | None:
    """None: it is not due, or another process asks. A clock set back keeps nobody waiting."""
    place = source.hub_id, source.name
    await tx.raw.execute(_ENTER, *place)
    row = await tx.raw.fetchrow(_STAND, *place)
    if row is None:
        return None
    asked_at, fault, etag, told_at, told, held = row
    breaker = _BREAKER.validate_python(told)
    wait = min(source.interval, AGAIN) if fault else source.interval
    asked = asked_at is not None and now - wait < asked_at <= now + AHEAD
    if asked or not breaker.allows(now):
        return None
    breaker = breaker.asked(now)
    await tx.raw.execute(_CLAIM, *place, now, _written(breaker))
    # what is signed comes whole each time: the key it has to be signed by may be another now
    return _Turn(etag if held and not source.signer else None, told_at, breaker)


async def _get(source: ConfiguredSource, turn: _Turn, now: datetime) -> _Word:
    """Raises `CallFault`, `SourceFault`."""
    headers = {"Accept": "application/json", **_PLAIN}
    if turn.etag is not None:
        headers["If-None-Match"] = turn.etag
    calls = Outbound(source.line)
    try:
        answer = await calls.call("GET", source.told.url, headers)
        signature = await _signature(calls, source)
    finally:
        await calls.close()
    if answer.status == HTTPStatus.NOT_MODIFIED and turn.etag is not None:
        return _Word(None if source.told.form == "list" else now)
    if answer.status != HTTPStatus.OK:
        raise SourceFault("refused")
    part = await asyncio.to_thread(parts.read, source, answer.body, signature)
    if part.issued_at is not None:
        if turn.told_at is not None and part.issued_at < turn.told_at:
            raise SourceFault("older")
        if part.issued_at > now + AHEAD:
            raise SourceFault("not-yet")
    # a list says itself how old it is; of others we know when they were told
    as_of = min(part.issued_at or now, now) if source.told.form == "list" else now
    return _Word(as_of, answer.body, _etag(answer.headers), part.issued_at, signature)


async def _signature(calls: Outbound, source: ConfiguredSource) -> bytes | None:
    """None: none is asked for. Raises `CallFault`, `SourceFault`."""
    if source.told.signature_url is None:
        return None
    answer = await calls.call("GET", source.told.signature_url, _PLAIN)
    if answer.status != HTTPStatus.OK or len(answer.body) > signatures.MOST_BYTES:
        raise SourceFault("unsigned")
    return answer.body


_PLAIN: Final = {"Accept-Encoding": "identity"}


def _etag(headers: Mapping[str, str]) -> str | None:
    told = headers.get("etag", "")
    return told if 0 < len(told) <= LONGEST_ETAG and told.isascii() else None


_HELD = """
UPDATE trust_source SET breaker = $3::jsonb, as_of = coalesce($4, as_of), fault = NULL,
    fault_at = NULL, failures = 0, body = coalesce($5, body),
    etag = CASE WHEN $5::bytea IS NULL THEN etag ELSE $6 END, told_at = coalesce($7, told_at),
    signature = CASE WHEN $5::bytea IS NULL THEN signature ELSE $8 END
WHERE hub_id = $1 AND source = $2
"""
_FAILED = """
UPDATE trust_source SET breaker = $3::jsonb, fault = $4, fault_at = $5, failures = failures + 1
WHERE hub_id = $1 AND source = $2
"""


async def _settle(
    tx: Transaction,
    source: ConfiguredSource,
    turn: _Turn,
    word: _Word | None,
    fault: str | None,
    now: datetime,
) -> None:
    place = source.hub_id, source.name
    if word is None:
        chance = random.random()  # noqa: S311 # it spreads waits
        breaker = _written(turn.breaker.failed(now, chance))
        await tx.raw.execute(_FAILED, *place, breaker, fault, now)
        return
    breaker = _written(turn.breaker.succeeded())
    said = (word.as_of, word.body, word.etag, word.told_at, word.signature)
    await tx.raw.execute(_HELD, *place, breaker, *said)


def _written(breaker: Breaker) -> str:
    return as_json(_BREAKER.dump_python(breaker, mode="json"))


_TOLD = """
SELECT source, body, signature, as_of FROM trust_source
WHERE hub_id = $1 AND source = ANY($2::text[]) AND body IS NOT NULL ORDER BY source
"""


async def _told(
    database: Database, own: Sequence[ConfiguredSource], hub_id: str
) -> list[tuple[ConfiguredSource, SourcePart, datetime]]:
    """The last good word of each source that has given one."""
    by_name = {one.name: one for one in own}
    async with database.reading() as tx:
        rows = await tx.raw.fetch(_TOLD, hub_id, list(by_name))
    found: list[tuple[ConfiguredSource, SourcePart, datetime]] = []
    for name, body, signature, as_of in rows:
        try:
            part = await asyncio.to_thread(parts.read, by_name[name], body, signature)
        except SourceFault as fault:  # it is of another form since, or by another key
            observability.log.warning("trust source failed", source=name, fault=fault.reason)
            continue
        found.append((by_name[name], part, as_of))
    return found


def _together(parts: Sequence[tuple[ConfiguredSource, SourcePart, datetime]]) -> Fetched:
    """What several sources told, as one. What one of them revokes is revoked."""
    ends = [
        min(part.not_after or as_of + source.valid, as_of + source.valid)
        for source, part, as_of in parts
    ]
    revoked = [part.revoked for _, part, _ in parts if part.revoked is not None]
    cards = [part.revoked_cards for _, part, _ in parts if part.revoked_cards is not None]
    return Fetched(
        domains=frozenset[Domain]().union(*(source.domains for source, _, _ in parts)),
        issued_at=min(as_of for *_, as_of in parts),
        not_after=min(ends),
        entries=tuple(entry for _, part, _ in parts for entry in part.entries),
        authorities=tuple(one for _, part, _ in parts for one in part.authorities),
        revoked=_all_revoked(revoked) if revoked else None,
        revoked_cards=_all_cards(cards) if cards else None,
    )


def _all_revoked(revocations: Sequence[snapshots.Revoked]) -> snapshots.Revoked:
    found: dict[bytes, dict[HashType, Slice]] = {}
    for one in revocations:
        for kid, kinds in one.items():
            held = found.setdefault(kid, {})
            for kind, hashes in kinds.items():
                before = held[kind].hashes() if kind in held else frozenset[bytes]()
                held[kind] = Slice.of(before | hashes.hashes())
    return found


def _all_cards(revocations: Sequence[snapshots.RevokedCards]) -> snapshots.RevokedCards:
    found: dict[bytes, dict[str, float | None]] = {}
    for one in revocations:
        for kid, ids in one.items():
            held = found.setdefault(kid, {})
            for rid, until in ids.items():
                held[rid] = parts.longer(held[rid], until) if rid in held else until
    return found
