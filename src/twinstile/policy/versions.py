"""Which policy is in force: versions as stored, and the compiled ones a process remembers."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import insert, select
from uuid_utils.compat import uuid7

from twinstile.platform import events
from twinstile.platform.db import Reading, Transaction
from twinstile.platform.errors import NotFound
from twinstile.platform.events import Happening
from twinstile.policy import documents
from twinstile.policy.tables import Policy
from twinstile.policy.types import HubPolicy

IN_FORCE_SQL = """
(SELECT p.version FROM policy p
 WHERE p.hub_id = {hub} AND p.effective_from <= {at}
 ORDER BY p.effective_from DESC, p.recorded_at DESC LIMIT 1)
"""
"""The version in force at a moment, to be set into a statement of a room above."""


class Policies:
    """The compiled versions of each hub. A version never changes, so it is compiled once."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], HubPolicy] = {}

    async def get(self, tx: Reading, hub_id: str, version: str) -> HubPolicy:
        """The compiled policy of that version. Raises `NotFound`."""
        key = (hub_id, version)
        if key not in self._compiled:
            document = await read_document(tx, hub_id, version)
            self._compiled[key] = documents.compile_document(document)
        return self._compiled[key]


async def read_document(tx: Reading, hub_id: str, version: str) -> dict[str, object]:
    """The document of a version as stored. Raises `NotFound`."""
    found = await tx.sql.execute(
        select(Policy.document).where(Policy.hub_id == hub_id, Policy.version == version)
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


async def put_in_force(
    tx: Transaction,
    hub_id: str,
    document: Mapping[str, object],
    effective_from: datetime,
    at: datetime,
) -> HubPolicy:
    """Store a version and the moment from which it holds. Raises `PolicyError`."""
    policy = documents.compile_document(document)
    await tx.sql.execute(
        insert(Policy).values(
            hub_id=hub_id,
            version=policy.version,
            effective_from=effective_from,
            recorded_at=at,
            document=dict(document),
        )
    )
    await events.append(
        tx, [Happening(hub_id, "policy.recorded", uuid7(), at, {"version": policy.version})]
    )
    return policy
