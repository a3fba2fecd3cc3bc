"""What ends, hub by hub: identities, manifests and carriers' keys; and stays ended.

The work of the retention job, and what a restore must do before the service opens again.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select, text

from twinstile.arrivals import authorities, manifests
from twinstile.arrivals.feeds import inbox as feeds
from twinstile.cases import case_merge
from twinstile.cases import retention as closed_cases
from twinstile.cases.retention import LegalHold
from twinstile.contacts import retention as contacts
from twinstile.declarations import store as declarations
from twinstile.deferrals import deferrals
from twinstile.identity import retention, vault
from twinstile.platform.db.database import Database
from twinstile.platform.db.tables import Hub
from twinstile.platform.http.problems import NotFound
from twinstile.platform.http.routes import Runtime
from twinstile.platform.keys import destruction
from twinstile.platform.keys.destruction import DestructionReason
from twinstile.platform.ops import observability
from twinstile.policy import reported_areas, versions
from twinstile.policy.types import Parameters
from twinstile.policy.versions import Policies
from twinstile.reminders import retention as notices
from twinstile.screening import retention as carrier_keys

EMPTIED: Final = (
    "vault",
    "vault_held",
    "vault_contact",
    "person_link",
    "quarantine",
    "manifest_entry",
    "seat_before",
    "identity_alert",
    "health_status",
    "key_area",
    "feed_delivery",
    "feed_key",
    "feed_reject",
    "notice_order",
    "notice",
    "contact",
    "declaration",
    "declaration_word",
    "appeal",
)
"""Tables that retention deletes rows from."""
PURGED: Final = (
    "vault",
    "vault_held",
    "vault_contact",
    "person_link",
    "quarantine",
    "manifest_entry",
    "seat_before",
    "identity_alert",
    "health_status",
    "key_area",
    "key_area_list",
    "feed_delivery",
    "feed_key",
    "feed_list",
    "feed_reject",
    "feed_waiting",
    "alert",
    "deferral",
    "notice_order",
    "notice",
    "declaration",
    "declaration_word",
    "appeal",
    "service_act",
    "paper_form",
    "deviation",
    "acknowledgement",
    "origin_notice",
    "assessment",
    "care",
    "stay",
    "case_wait",
    "suspicion",
    "contact",
    "contact_list",
    "leg",
    "receipt",
    "case_link",
    "case_plan",
    "case_merge",
    "follow_up",
    "attempt",
    "disposition",
    "fever_case",
    "party_member",
    "party",
    "policy_replay",
    "screening",
    "check",
)
"""Tables that lose every row of a hub that is closed for good."""
VACUUM_MS: Final = 600_000


async def retain(runtime: Runtime, policies: Policies, hub_id: str, now: datetime) -> int:
    """End everything at the hub whose time is over; how many keys were destroyed.

    What was destroyed is published whatever becomes of the rest: a restore asks that file.
    """
    try:
        return await _end(runtime, policies, hub_id, now)
    finally:
        await destruction.publish(runtime.database, hub_id, runtime.settings.destructions_path)


async def _end(runtime: Runtime, policies: Policies, hub_id: str, now: datetime) -> int:
    async with runtime.database.reading() as tx:
        policy = await policies.get(tx, hub_id, await versions.in_force(tx, hub_id, now))
    figures, keys = policy.parameters, runtime.keys.of(hub_id)
    zone, days = runtime.settings.zone, figures.retention_days
    purge = await retention.run(runtime.database, keys, hub_id, zone, days, now)
    async with runtime.database.transaction() as tx:
        await case_merge.merge_overlooked(tx, hub_id, now)
    cases = await _retain_cases(runtime, hub_id, figures, now)
    cases += await _retain_deferrals(runtime, hub_id, now)
    before, today = now - timedelta(days=days), now.astimezone(zone).date()
    async with runtime.database.transaction() as tx:
        await manifests.delete_expired_entries(tx, hub_id, before)
        await authorities.delete_expired_records(tx, hub_id, today - timedelta(days=days), now)
        await feeds.delete_expired(tx, hub_id, today - timedelta(days=days))
        await reported_areas.forget(tx, hub_id, today)
    first_kept = datetime.combine(today - timedelta(days=days), time(), zone)
    for room, end in (
        (carrier_keys, before),
        (notices, before),
        (declarations, first_kept),  # to the end of its last day, as its traveller was told
    ):
        forgotten = room.BATCH
        while forgotten == room.BATCH:
            async with runtime.database.transaction() as tx:
                forgotten = await room.forget(tx, hub_id, end)
    closed, forgotten = now - timedelta(days=figures.case_retention_days), contacts.BATCH
    while forgotten == contacts.BATCH:
        async with runtime.database.transaction() as tx:
            forgotten = await contacts.forget(tx, hub_id, closed, now)
    if purge.days or cases:
        observability.log.info(
            "identities destroyed",
            hub=hub_id,
            days=purge.days,
            people=purge.people,
            cases=cases,
        )
    return purge.days + cases


async def _retain_deferrals(runtime: Runtime, hub_id: str, now: datetime) -> int:
    """Destroy who was deferred on days of which nothing is open or closed lately."""
    keys, today = runtime.keys.of(hub_id), now.astimezone(runtime.settings.zone).date()
    living = keys.names(deferrals.KEY)
    async with runtime.database.reading() as tx:
        over = await deferrals.over(tx, hub_id, living, now, today) if living else []
    for key_id in over:
        await retention.destroy(
            runtime.database, keys, hub_id, key_id, DestructionReason.RETENTION, now
        )
    return len(over)


async def _retain_cases(
    runtime: Runtime, hub_id: str, figures: Parameters, now: datetime
) -> int:
    """Destroy the identities of cases whose time after closure is over."""
    keys = runtime.keys.of(hub_id)
    living = [UUID(name.removeprefix("case.")) for name in keys.names("case.")]
    before = now - timedelta(days=figures.case_retention_days)
    async with runtime.database.reading() as tx:
        due = await closed_cases.due(tx, hub_id, living, before) if living else []
    ended = 0
    for case_id in due:
        key_id = vault.case_key(case_id)
        async with runtime.database.transaction() as tx:
            await closed_cases.lock(tx, hub_id, case_id)
            if not await closed_cases.due(tx, hub_id, [case_id], before):
                continue  # a hold was placed meanwhile
            await retention.destroy(
                runtime.database, keys, hub_id, key_id, DestructionReason.RETENTION, now
            )
        ended += 1
    return ended


async def hold(
    runtime: Runtime, hub_id: str, case_no: str, kind: LegalHold, reason: str, now: datetime
) -> None:
    """Place or lift a legal hold on the identity of a case.

    Raises `NotFound` for an unknown case, and where there is no identity (any more) to keep.
    """
    async with runtime.database.transaction() as tx:
        case_id = await closed_cases.hold(tx, hub_id, case_no, kind, reason, now)
        living = runtime.keys.of(hub_id).names("case.")
        if kind is LegalHold.PLACED and vault.case_key(case_id) not in living:
            raise NotFound("There is no identity of this case (any more): nothing can be kept.")


async def vacuum(owner_url: str, tables: Sequence[str], how: str = "VACUUM") -> None:
    """Take deleted rows out of these tables' files, as their owner, beside the service."""
    owner = Database(owner_url, pool_size=1, statement_timeout_ms=VACUUM_MS)
    try:
        async with owner.engine.connect() as connection:
            for table in tables:
                await connection.execute(text(f'{how} "{table}"'))
    finally:
        await owner.close()


async def purge(owner_url: str, hub_id: str) -> None:
    """Delete every row about people and write the tables anew, so that files lose them too."""
    owner = Database(owner_url, pool_size=1, statement_timeout_ms=VACUUM_MS)
    try:
        async with owner.transaction() as tx:
            for table in PURGED:
                await tx.raw.execute(
                    f'DELETE FROM "{table}" WHERE hub_id = $1',  # noqa: S608 # constants
                    hub_id,
                )
    finally:
        await owner.close()
    await vacuum(owner_url, PURGED, "VACUUM FULL")


_CAME_BACK = f"""
SELECT {" OR ".join(f'EXISTS (SELECT FROM "{t}" WHERE hub_id = $1)' for t in PURGED)}
"""  # noqa: S608 # constants


async def _came_back(runtime: Runtime, hub_id: str) -> bool:
    """Whether a hub that has certified its end has rows about people again.

    The service's role can enter a certificate but not delete facts, so it must not be able to
    bring that about by one: the hub has to have signed it.
    """
    async with runtime.database.reading() as tx:
        try:
            end = await destruction.one(tx, hub_id, destruction.HUB)
        except NotFound:
            return False
        row = await tx.raw.fetchrow(_CAME_BACK, hub_id)
    return bool(row and row[0]) and retention.believes(runtime.keys.of(hub_id), end)


async def replay_destructions(runtime: Runtime, owner_url: str, now: datetime) -> int:
    """Destroy again, at every hub, what a restore brought back; how many keys that were.

    To be called before a restored database serves anybody. Looks at the tombstones beside the
    keys and at the published certificates (`Settings.destructions_path`), and costs next to
    nothing when there is nothing to do.
    """
    async with runtime.database.reading() as tx:
        found = await tx.sql.execute(select(Hub.hub_id).order_by(Hub.hub_id))
        hubs = [hub_id for (hub_id,) in found]
    file, again = runtime.settings.destructions_path, 0
    for hub_id in hubs:
        keys = runtime.keys.of(hub_id)
        again += await retention.replay(runtime.database, keys, hub_id, file, now)
        if await _came_back(runtime, hub_id):
            observability.log.warning("what a closed hub knew had come back", hub=hub_id)
            await purge(owner_url, hub_id)
        await destruction.publish(runtime.database, hub_id, file)
    if again:
        observability.log.warning("what was destroyed had come back", keys=again)
    return again
