"""Alerts and statuses as a feed hands them over, about invented people."""

from datetime import UTC, date, datetime, timedelta

import people
from hubs import Hub

from twinstile.arrivals import authorities
from twinstile.arrivals.authorities import WatchRecord, WatchSource
from twinstile.arrivals.records import (
    AlertAction,
    DocumentClaim,
    HealthStatus,
    IdentityAlert,
    Op,
    RecordOrigin,
    StatusColour,
    WatchReason,
)
from twinstile.identity import documents
from twinstile.identity.types import Document, DocumentKind, Holder
from twinstile.identity.vault import Identity

AUTHORITY = "Binjiang district police"
BASIS = "Infectious Disease Law art. 39"
DAY = timedelta(days=1)


def alert(
    number: str,
    *,
    key: str | None = None,
    action: AlertAction = AlertAction.CHECK,
    op: Op = Op.UPSERT,
    since: timedelta = -DAY,
    until: timedelta = DAY,
    kind: WatchReason = WatchReason.ISOLATION_ORDER,
) -> IdentityAlert:
    """An alert in force, under the document's number unless it has another key."""
    now = datetime.now(UTC)
    return IdentityAlert(
        RecordOrigin(key or number, 1),
        op,
        DocumentClaim(DocumentKind.RESIDENT_ID, number),
        kind,
        AUTHORITY,
        BASIS,
        action,
        now + since,
        now + until,
    )


def status(
    number: str,
    colour: StatusColour,
    *,
    close_contact: bool = False,
    key: str | None = None,
    op: Op = Op.UPSERT,
    until: timedelta = DAY,
) -> HealthStatus:
    now = datetime.now(UTC)
    return HealthStatus(
        RecordOrigin(key or number, 1),
        op,
        DocumentClaim(DocumentKind.RESIDENT_ID, number),
        "Hangzhou CDC",
        colour,
        now - timedelta(hours=1),
        now + until,
        close_contact,
    )


def document(number: str, today: date) -> Document:
    return documents.read(DocumentKind.RESIDENT_ID, number, today=today).document


async def told(
    hub: Hub,
    *said: IdentityAlert | HealthStatus,
    feed: str = "police",
    at: datetime | None = None,
) -> None:
    """Let a feed of the hub say this, none under a key of another."""
    now = at or datetime.now(UTC)
    today: date = now.astimezone(hub.house.settings.zone).date()
    keys = hub.house.keys.of(hub.hub_id)
    received = [
        WatchRecord(one, Identity(document(one.document.number, today), Holder()))
        for one in said
    ]
    async with hub.house.database.transaction() as tx:
        await authorities.apply_watch_records(
            tx, keys, WatchSource(hub.hub_id, feed, today), received, now
        )


async def shown(hub: Hub, number: str, role: str = "screener", **more: object) -> people.Json:
    """The answer to somebody who shows this document and has nothing amiss."""
    language = {"Accept-Language": str(more.pop("language", "en"))}
    answer = await hub.client(role).put(
        f"/v1/checks/{people.new_id()}", json=people.check(1, number, **more), headers=language
    )
    assert answer.status_code in {200, 201}, answer.text
    known: people.Json = answer.json()
    return known
