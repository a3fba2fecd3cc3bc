"""Which policy is in force: versions as stored, and the compiled ones a process remembers."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert, select, union_all
from sqlalchemy.dialects.postgresql import insert as upsert
from uuid_utils.compat import uuid7

from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.problems import NotFound
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.policy import documents, reported_areas
from twinstile.policy.areas import NO_AREAS, Areas
from twinstile.policy.tables import Policy, PolicyActivation, PolicyDraft
from twinstile.policy.types import HubPolicy

IN_FORCE_SQL = """
(SELECT a.version FROM policy_activation a
 WHERE a.hub_id = {hub} AND a.effective_from <= {at}
 ORDER BY a.effective_from DESC, a.recorded_at DESC LIMIT 1)
"""
"""The version in force at a moment, to be set into a statement of a room above."""


class Policies:
    """The compiled versions of each hub. A version never changes, so it is compiled once."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], HubPolicy] = {}
        self._received: dict[str, tuple[int, Areas]] = {}

    async def get(self, tx: Reading, hub_id: str, version: str) -> HubPolicy:
        """The compiled policy of that version. Raises `NotFound`."""
        key = (hub_id, version)
        if key not in self._compiled:
            document = await read_document(tx, hub_id, version)
            self._compiled[key] = documents.compile_document(document)
        return self._compiled[key]

    async def received(self, tx: Reading, hub_id: str, revision: int | None) -> Areas:
        """The key areas that departments list, as of that revision (`received`)."""
        if revision is None:
            return NO_AREAS
        known = self._received.get(hub_id)
        if known is None or known[0] != revision:
            known = self._received[hub_id] = (revision, await reported_areas.read(tx, hub_id))
        return known[1]


async def read_document(tx: Reading, hub_id: str, version: str) -> dict[str, object]:
    """The document of a version, in force at any time or not. Raises `NotFound`."""
    found = await tx.sql.execute(
        union_all(
            *(
                select(table.document).where(table.hub_id == hub_id, table.version == version)
                for table in (Policy, PolicyDraft)
            )
        ).limit(1)
    )
    document = found.scalar_one_or_none()
    if document is None:
        raise NotFound("There is no such policy version.")
    return document


async def in_force(tx: Reading, hub_id: str, at: datetime) -> str:
    """The version in force at that moment. Raises `NotFound` on a hub without a policy."""
    row = await tx.raw.fetchrow("SELECT " + IN_FORCE_SQL.format(hub="$1", at="$2"), hub_id, at)
    if row is None or row[0] is None:
        raise NotFound("No policy is in force at that moment.")
    return row[0]


async def listed(tx: Reading, hub_id: str) -> list[tuple[str, datetime | None]]:
    """Versions and since when each holds or held last; then those never in force; 500 each."""
    since = func.max(PolicyActivation.effective_from)
    held = await tx.sql.execute(
        select(PolicyActivation.version, since)
        .where(PolicyActivation.hub_id == hub_id)
        .group_by(PolicyActivation.version)
        .order_by(since.desc(), PolicyActivation.version)
        .limit(500)
    )
    written = await tx.sql.execute(
        select(PolicyDraft.version)
        .outerjoin(
            Policy,
            (Policy.hub_id == PolicyDraft.hub_id) & (Policy.version == PolicyDraft.version),
        )
        .where(PolicyDraft.hub_id == hub_id, Policy.version.is_(None))
        .order_by(PolicyDraft.recorded_at.desc(), PolicyDraft.version)
        .limit(500)
    )
    return [*((version, moment) for version, moment in held), *((v, None) for (v,) in written)]


async def put_in_force(
    tx: Transaction,
    hub_id: str,
    document: Mapping[str, object],
    effective_from: datetime,
    at: datetime,
    approval_id: UUID | None = None,
) -> HubPolicy:
    """Let a version hold from that moment on, again or for the first time.

    Raises `PolicyError`. Nobody's approval is asked here: see `activations`.
    """
    policy = documents.compile_document(document)
    held = {
        "hub_id": hub_id,
        "version": policy.version,
        "effective_from": effective_from,
        "recorded_at": at,
    }
    first = upsert(Policy).values(**held, document=dict(document))
    await tx.sql.execute(first.on_conflict_do_nothing())
    await tx.sql.execute(insert(PolicyActivation).values(**held, approval_id=approval_id))
    body: dict[str, object] = {
        "version": policy.version,
        "effective_from": effective_from.isoformat(),
    }
    happening = Event(hub_id, "policy.activated", approval_id or uuid7(), at, body)
    await events.append(tx, [happening])
    return policy


_ADOPT_SQL = """
INSERT INTO policy_activation (hub_id, effective_from, recorded_at, version)
SELECT p.hub_id, p.effective_from, p.recorded_at, p.version FROM policy p
WHERE NOT EXISTS (
    SELECT FROM policy_activation a WHERE a.hub_id = p.hub_id AND a.version = p.version)
ON CONFLICT DO NOTHING
"""


async def adopt(tx: Transaction) -> None:
    """Take over, at every hub, what the release before put in force; harmless to repeat."""
    await tx.raw.execute(_ADOPT_SQL)
