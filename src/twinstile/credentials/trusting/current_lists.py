"""The trust list in force of each hub, as this process last read and verified it."""

import asyncio
from dataclasses import dataclass

from twinstile.credentials.trust import TrustList
from twinstile.credentials.trusting import lists, snapshots
from twinstile.platform.db.database import Reading
from twinstile.platform.keys.data_keys import KeyFiles


@dataclass(frozen=True, slots=True)
class VerifiedList:
    """A list in force, whose signature was looked at."""

    listed: TrustList
    sha256: str


class CurrentLists:
    """Each hub's list in force, as this process last read it."""

    def __init__(self) -> None:
        self._held: dict[str, VerifiedList] = {}

    async def of(self, tx: Reading, keys: KeyFiles, hub_id: str) -> VerifiedList | None:
        """None: there is none, or what is stored is not what the hub signed."""
        version = await lists.current_version(tx, hub_id)
        if version is None:
            return None
        held = self._held.get(hub_id)
        if held is not None and held.listed.version == version:
            return held
        told = await lists.one(tx, hub_id, version)
        # beside the requests: the keeper of the master key may be slow
        if not await asyncio.to_thread(lists.is_genuine, keys, told):
            return None
        self._held[hub_id] = held = VerifiedList(snapshots.read(told.document), told.sha256)
        return held
