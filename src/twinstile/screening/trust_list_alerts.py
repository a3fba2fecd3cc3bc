"""The alert of the trust list: before it is too old for a certificate to be green."""

from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from twinstile.credentials.trusting import lists
from twinstile.credentials.trusting.current_lists import CurrentLists
from twinstile.credentials.types import Freshness
from twinstile.platform.db.database import Transaction
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.ops import observability
from twinstile.screening import alerts
from twinstile.screening.types import AlertKind

_LISTS: Final = UUID("3e1f8a5c-94e5-4f0e-9d3b-2d0a4c7be6f1")


async def watch(
    tx: Transaction, current_lists: CurrentLists, keys: KeyFiles, hub_id: str, now: datetime
) -> None:
    """Raise it where a list is older than a day or is not what the hub signed; close it else.

    A hub that never had a list judges no certificates. `current_lists` are the process's.
    """
    version = await lists.current_version(tx, hub_id)
    one = await current_lists.of(tx, keys, hub_id)
    troubles: dict[UUID, dict[str, object]] = {}
    if one is not None:
        age = (now - one.listed.issued_at).total_seconds()
        observability.TRUST_AGE.labels(hub_id).set(age)
    freshness = one.listed.freshness(now) if one else None
    if version is not None and freshness is not Freshness.FRESH:
        facts: dict[str, object] = {"version": version, "freshness": freshness}
        troubles[uuid5(_LISTS, hub_id)] = facts
    await alerts.hold(tx, hub_id, AlertKind.TRUST_LIST_STALE, troubles, now)
