"""Facts kept aside until somebody looks at them: whole, encrypted, with the reason."""

from typing import cast
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert as upsert
from uuid_utils.compat import uuid7

from twinstile.identity import vault
from twinstile.platform.db.database import Transaction
from twinstile.platform.db.tables import Quarantine
from twinstile.platform.http.problems import Problem
from twinstile.platform.keys.ciphers import encrypt
from twinstile.platform.ops import observability
from twinstile.screening import intake
from twinstile.screening.bodies import CheckBody, FactKind
from twinstile.screening.intake import Receiver


async def keep(
    tx: Transaction, receiver: Receiver, item: object, fact_id: UUID | None, problem: Problem
) -> None:
    """Keep a fact that was not accepted, once however often a device sends it.

    `item` is the fact as a batch has it; it need not even be an object. What was scanned of a
    credential does not belong in one, and is not kept.
    """
    item = unscanned(item)
    key_id = vault.day_key(receiver.at.astimezone(receiver.zone).date())
    hub_id = receiver.who.hub_id
    raw = intake.canonical(item)
    (_, digest), *_ = intake.fingerprints(receiver, raw).items()
    quarantine_id = uuid7()
    cipher = encrypt(
        await receiver.keys.obtain(key_id),
        raw.encode(),
        belongs(hub_id, quarantine_id),
    )
    await tx.sql.execute(
        upsert(Quarantine)
        .values(
            hub_id=hub_id,
            quarantine_id=quarantine_id,
            fact_id=fact_id,
            device_id=receiver.who.device_id,
            kind=_kind(item),
            received_at=receiver.at,
            code=problem.slug,
            errors=[[f.pointer, f.code] for f in problem.errors],
            digest=digest,
            key_id=key_id,
            cipher=cipher,
        )
        .on_conflict_do_nothing()
    )
    observability.QUARANTINED.labels(hub_id, problem.slug).inc()


def as_item(check_id: UUID, body: CheckBody) -> dict[str, object]:
    """The check as a batch would bring it, so that it is kept aside once either way."""
    fact = body.model_dump(
        mode="json", exclude={"counter", "sent_at", "made_for"}, exclude_unset=True
    )
    return {
        "kind": FactKind.CHECK.value,
        "id": str(check_id),
        "counter": body.counter,
        "body": fact,
    }


def unscanned(item: object) -> object:
    """The item without what was scanned of a credential, wherever it stands."""
    match item:
        case dict():
            members = cast("dict[str, object]", item).items()
            return {name: unscanned(one) for name, one in members if name != "scanned"}
        case list():
            return [unscanned(one) for one in cast("list[object]", item)]
        case _:
            return item


def belongs(hub_id: str, quarantine_id: UUID) -> bytes:
    """The row a ciphertext belongs to: it opens in no other."""
    return f"quarantine|{hub_id}|{quarantine_id}".encode()


def _kind(item: object) -> str:
    """The kind the item claims, if it is one: what else it says is kept encrypted only."""
    claimed = cast("dict[str, object]", item).get("kind") if isinstance(item, dict) else None
    return next((kind.value for kind in FactKind if kind.value == claimed), "unknown")
