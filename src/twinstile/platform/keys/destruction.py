r"""Certificates of destruction: what ended, when and why, signed, and kept outside as well.

A certificate is one JSON object; `signature` is Ed25519 (see `signing`) over the UTF-8 text of
the same object without it: members sorted by name, no spaces, nothing escaped but `"`, `\` and
controls. It is entered in the transaction that deletes the rows, and then appended to a file
outside the data folder, one a line: that file outlives a restore of database and keys, and
tells what must be destroyed again. It holds ids of keys and counts, nothing about a person.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, cast
from uuid import UUID, uuid5

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from uuid_utils.compat import uuid7

from twinstile.platform.db.database import Database, Reading, Transaction
from twinstile.platform.db.tables import Destruction
from twinstile.platform.http.problems import NotFound
from twinstile.platform.keys import signing
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.ledger import chain, events, signed_roots
from twinstile.platform.ledger.events import Event

DESTROYED: Final = "destroyed"
SUBJECT_DESTROYED: Final = "subject-destroyed"
"""Of one case: partners who were told of it are told that the identity is gone."""
FORM: Final = "twinstile-destruction/1"
HUB: Final = "hub"
"""Stands in the place of a key's name where a whole hub was destroyed."""
CASE: Final = "case"
_WORDS = ("hub_id", "key_id", "destroyed_at", "event_id", "public_key", "signing_key")


class DestructionReason(StrEnum):
    """Why something was destroyed."""

    RETENTION = "RETENTION"
    """The policy's time was over."""
    SUNSET = "SUNSET"
    """The hub was closed for good."""
    REPLAY = "REPLAY"
    """It was destroyed before and had come back, e.g. by a restore."""


@dataclass(frozen=True, slots=True)
class DestructionCertificate:
    """A certificate as it is kept: the text that was signed, and the signature (base64)."""

    document: str
    signature: str

    @property
    def members(self) -> dict[str, object]:
        """What it says."""
        return cast("dict[str, object]", json.loads(self.document))

    @property
    def rows(self) -> dict[str, int]:
        """How many rows were deleted, by table."""
        return cast("dict[str, int]", self.members.get("rows", {}))

    def word(self, name: str) -> str:
        """One of the texts it says; empty where it says nothing of that."""
        return str(self.members.get(name, ""))

    def line(self) -> bytes:
        """The line of the file: the whole object."""
        return _text({**self.members, "signature": self.signature}).encode() + b"\n"

    def fault(self) -> str | None:
        """What is wrong with it; None when the signature fits and names its key truly."""
        if signing.fingerprint(self.word("public_key")) != self.word("signing_key"):
            return "the key is not the one it names"
        public_key = self.word("public_key")
        if not signing.verify(public_key, self.document.encode(), self.signature):
            return "the signature does not fit"
        return None


async def certify(
    tx: Transaction,
    keys: KeyFiles,
    hub_id: str,
    key_id: str,
    rows: Mapping[str, int],
    reason: DestructionReason,
    now: datetime,
    **more: object,
) -> bool:
    """Enter the destruction of a key: certificate and event; false if it has been.

    `rows` are those deleted, by table. The certificate tells where the ledger stood before; the
    event it names follows in it.
    """
    key_class, _, period = key_id.partition(".")
    signer, event_id = await asyncio.to_thread(signing.signer, keys), uuid7()
    document = _text(
        {
            "form": FORM,
            "hub_id": hub_id,
            "key_id": key_id,
            "key_class": key_class,
            "period": period,
            "reason": reason,
            "destroyed_at": now.isoformat(timespec="milliseconds"),
            "rows": dict(rows),
            "ledger": await _position(tx, hub_id),
            "event_id": str(event_id),
            "public_key": signer.public_key,
            "signing_key": signer.key_id,
            **more,
        }
    )
    made = DestructionCertificate(document, signer.sign(document.encode()))
    return await enter(tx, made)


async def enter(tx: Transaction, certificate: DestructionCertificate) -> bool:
    """Enter a certificate, and its event with it, once; false if it was there."""
    hub_id, key_id = certificate.word("hub_id"), certificate.word("key_id")
    at = datetime.fromisoformat(certificate.word("destroyed_at"))
    count = sum(certificate.rows.values())
    entered = await tx.sql.execute(
        upsert(Destruction)
        .values(
            hub_id=hub_id,
            key_id=key_id,
            destroyed_at=at,
            rows=count,
            document=certificate.document,
            signature=certificate.signature,
        )
        .on_conflict_do_nothing()
        .returning(Destruction.key_id)
    )
    if entered.one_or_none() is None:
        return False
    key_class, period = certificate.word("key_class"), certificate.word("period")
    body: dict[str, object] = {"key_class": key_class, "period": period, "count": count}
    kind, subject = DESTROYED, _subject(hub_id, key_id)
    if key_class == CASE:
        kind = SUBJECT_DESTROYED
        del body["period"]
    event_id = UUID(certificate.word("event_id"))
    await events.append(tx, [Event(hub_id, kind, subject, at, body, event_id=event_id)])
    return True


def _subject(hub_id: str, key_id: str) -> UUID:
    """The case, or an id that stands for the key: the same however often it is asked for."""
    try:
        return UUID(key_id.removeprefix(f"{CASE}."))
    except ValueError:
        return uuid5(UUID(int=0), f"{hub_id}/{key_id}")


async def _position(tx: Transaction, hub_id: str) -> dict[str, object] | None:
    row = await tx.raw.fetchrow(
        "SELECT epoch, n, peaks FROM ledger_head WHERE hub_id = $1", hub_id
    )
    if row is None:
        return None
    epoch, n, peaks = row
    return {"epoch": epoch, "n": n, "root": chain.tree_root(chain.split(peaks)).hex()}


async def certified(tx: Reading, hub_id: str) -> set[str]:
    """Names of the keys whose destruction was entered."""
    found = await tx.sql.execute(select(Destruction.key_id).where(Destruction.hub_id == hub_id))
    return {key_id for (key_id,) in found}


async def of_hub(tx: Reading, hub_id: str) -> list[DestructionCertificate]:
    """The certificates of a hub, oldest first."""
    found = await tx.sql.execute(
        _of_hub(hub_id).order_by(Destruction.destroyed_at, Destruction.key_id)
    )
    return [DestructionCertificate(*row) for row in found]


async def page(
    tx: Reading, hub_id: str, after: str, limit: int
) -> list[DestructionCertificate]:
    """The next certificates of a hub by name of key."""
    found = await tx.sql.execute(
        _of_hub(hub_id)
        .where(Destruction.key_id > after)
        .order_by(Destruction.key_id)
        .limit(limit)
    )
    return [DestructionCertificate(*row) for row in found]


async def one(tx: Reading, hub_id: str, key_id: str) -> DestructionCertificate:
    """The certificate of one key. Raises `NotFound`."""
    found = await tx.sql.execute(_of_hub(hub_id).where(Destruction.key_id == key_id))
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such certificate.")
    return DestructionCertificate(*row)


def _of_hub(hub_id: str) -> Select[str, str]:
    """Certificates alone: rows older than these have none."""
    return select(
        func.coalesce(Destruction.document, ""), func.coalesce(Destruction.signature, "")
    ).where(Destruction.hub_id == hub_id, Destruction.document.is_not(None))


async def publish(database: Database, hub_id: str, file: Path) -> int:
    """Append to the file what it does not have yet; how many certificates that were.

    Raises `OSError`.
    """
    there = {one.word("key_id") for one in read(file, hub_id)}
    async with database.reading() as tx:
        missing = [one for one in await of_hub(tx, hub_id) if one.word("key_id") not in there]
    for one in missing:
        await asyncio.to_thread(signed_roots.append, file, one.line())
    return len(missing)


def read(file: Path, hub_id: str | None = None) -> Iterator[DestructionCertificate]:
    """The certificates of a file, of one hub or of all; lines that are none are passed over.

    Nothing when there is no file. Raises `OSError`.
    """
    if not file.exists():
        return
    with file.open("rb") as lines:
        for line in lines:
            one = parse(line)
            if one is not None and hub_id in {None, one.word("hub_id")}:
                yield one


def parse(line: bytes) -> DestructionCertificate | None:
    """The certificate of a line or a document; None when it is none."""
    try:
        said = cast("object", json.loads(line))
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    members = cast("dict[str, object]", said)
    signature, rows = members.pop("signature", None), members.get("rows")
    whole = members.get("form") == FORM and isinstance(rows, dict)
    words = all(isinstance(members.get(name), str) for name in (*_WORDS, "key_class", "period"))
    if not whole or not words or not isinstance(signature, str):
        return None
    return DestructionCertificate(_text(members), signature)


def _text(members: Mapping[str, object]) -> str:
    return json.dumps(members, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
