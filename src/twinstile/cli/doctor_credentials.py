"""What the doctor asks of credentials: whether providers are reached, how old the list is.

Each finding is its name, what was found, and what to do; the last is empty when all is well.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeAlias

from twinstile.credentials import verifying, words
from twinstile.credentials.providers.online import Online
from twinstile.credentials.sources import settings as sources
from twinstile.credentials.sources import source_status
from twinstile.credentials.trusting import lists
from twinstile.credentials.trusting.current_lists import CurrentLists
from twinstile.credentials.types import Freshness
from twinstile.platform.db.database import Reading
from twinstile.platform.http.outbound import CallFault
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.ops import clock
from twinstile.platform.ops.settings import Settings

Told: TypeAlias = tuple[str, str, str]
SKEW_S: Final = 60
"""A code counts as fresh for a minute: by clocks so far apart it would be a screenshot."""
_RENEW: Final = "bring a newer one, or look why it is not fetched or agreed on"


async def providers(configuration: Settings) -> list[Told]:
    """A line for each provider: whether it answers, and by what clock. Nothing is scanned."""
    verifier = verifying.verifier(configuration)
    try:
        return [await _provider(one) for one in verifier.providers]
    finally:
        await verifier.close()


async def _provider(one: Online) -> Told:
    name = f"provider: {one.name}"
    try:
        answer = await one.probe()
    except CallFault as fault:
        return name, f"not reached ({fault.reason})", "look at its url, and at the line there"
    skew = _skew(answer.headers, clock.now())
    if skew is None:
        return name, "answers", ""
    found = f"answers, its clock {abs(skew):.0f} s from ours"
    return name, found, "let this machine keep time by NTP" if abs(skew) > SKEW_S else ""


def _skew(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds their clock is ahead of ours; None where they tell no time."""
    try:
        told = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, OverflowError):
        return None
    return (told.replace(tzinfo=told.tzinfo or UTC) - now).total_seconds()


async def trust(tx: Reading, configuration: Settings, keys: KeyFiles) -> list[Told]:
    """The list in force, and the sources it is fetched from."""
    now, hub_id = clock.now(), configuration.hub_id
    told = await source_status.of(tx, sources.of(configuration), hub_id)
    return [await _list(tx, keys, hub_id, now), *map(_source, told)]


async def _list(tx: Reading, keys: KeyFiles, hub_id: str, now: datetime) -> Told:
    version = await lists.current_version(tx, hub_id)
    if version is None:
        return "trust list", "none: nothing is known of certificates", ""
    held = await CurrentLists().of(tx, keys, hub_id)
    if held is None:
        return "trust list", f"{version} is not what the hub signed", "bring it anew"
    freshness = held.listed.freshness(now)
    hours = (now - held.listed.issued_at).total_seconds() / 3600
    found = f"{version}, {hours:.0f} h old: {words.FRESHNESS[freshness]['en']}"
    return "trust list", found, "" if freshness is Freshness.FRESH else _RENEW


def _source(one: source_status.SourceStatus) -> Told:
    name = f"trust source: {one.source.name}"
    if one.fault is not None:
        found = f"{one.fault}, {one.failures} times in a row, the last at {one.fault_at}"
        return name, found, "docs/credentials.md tells what the word means"
    if one.as_of is None:
        return name, "not asked yet", ""
    return name, f"its last good word is of {one.as_of}", ""
