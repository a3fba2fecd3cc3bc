"""Appeals: what a traveller disputes, answered by a person; encrypted as the declaration is."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from twinstile.declarations import store
from twinstile.declarations.codes import Receipt
from twinstile.declarations.tables import Appeal
from twinstile.declarations.types import (
    MOST_APPEALS,
    AppealSubject,
    Decided,
    DeclarationSummary,
)
from twinstile.identity.vault import day_key
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http import paging
from twinstile.platform.http.problems import Conflict, Forbidden, IdReused, NotFound
from twinstile.platform.keys.ciphers import decrypt, encrypt
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security import access_log
from twinstile.platform.security.access_log import AccessEntry, Action, Purpose
from twinstile.platform.security.auth import Principal

MADE = "appeal.made"
ANSWERED = "appeal.answered"
ANSWERED_WITHIN: Final = timedelta(hours=72)
"""How long a traveller waits for an answer; then it is an alert until somebody gives one."""
MOST_OVERDUE: Final = 500


@dataclass(frozen=True, slots=True)
class Disputed:
    """An appeal and what became of it; `text` is null in lists for staff."""

    appeal_id: UUID
    about: AppealSubject
    made_at: datetime
    text: str = field(repr=False)
    decided: Decided | None
    answer: str | None = field(repr=False)
    answered_at: datetime | None

    @property
    def due_at(self) -> datetime:
        """Until when it is to be answered."""
        return self.made_at + ANSWERED_WITHIN


@dataclass(frozen=True, slots=True)
class AppealRequest:
    """An appeal as it comes, under the sender's own id."""

    appeal_id: UUID
    about: AppealSubject
    text: str = field(repr=False)


async def make(
    tx: Transaction,
    keys: KeyFiles,
    hub_id: str,
    receipt: Receipt,
    request: AppealRequest,
    at: datetime,
) -> bool:
    """Keep an appeal; false for one that was sent again.

    Raises `Unauthenticated`, `IdReused`, `Conflict` after `MOST_APPEALS`, `KeyDestroyed`.
    """
    head = await store.declaration_of_receipt(tx, hub_id, receipt, to_change=True)
    known = await of_declaration(tx, keys, hub_id, head)
    for one in known:
        if one.appeal_id == request.appeal_id:
            if (one.about, one.text) != (request.about, request.text):
                raise IdReused
            return False
    if len(known) >= MOST_APPEALS:
        raise Conflict("There are appeals enough; staff help at the service desk.")
    key = await keys.open(day_key(head.day))
    place = _place(hub_id, request.appeal_id, "text")
    entered = await tx.sql.execute(
        upsert(Appeal)
        .values(
            hub_id=hub_id,
            appeal_id=request.appeal_id,
            declaration_id=head.declaration_id,
            screening_id=head.screening_id,
            about=request.about.value,
            made_at=at,
            day=head.day,
            cipher=encrypt(key, request.text.encode(), place),
        )
        .on_conflict_do_nothing()
        .returning(Appeal.appeal_id)
    )
    if entered.one_or_none() is None:
        raise IdReused
    body: dict[str, object] = {"about": request.about.value}
    await events.append(tx, [Event(hub_id, MADE, request.appeal_id, at, body)])
    return True


async def of_declaration(
    tx: Reading, keys: KeyFiles, hub_id: str, head: DeclarationSummary
) -> list[Disputed]:
    """The appeals of a declaration, the first one first. Raises `KeyDestroyed`."""
    found = await tx.sql.execute(
        select(
            Appeal.appeal_id,
            Appeal.about,
            Appeal.made_at,
            Appeal.cipher,
            Appeal.decided,
            Appeal.answer,
            Appeal.answered_at,
        )
        .where(Appeal.hub_id == hub_id, Appeal.declaration_id == head.declaration_id)
        .order_by(Appeal.made_at, Appeal.appeal_id)
    )
    rows = found.all()
    if not rows:
        return []
    key = await keys.open(day_key(head.day))
    return [
        Disputed(
            appeal_id,
            AppealSubject(about),
            made_at,
            decrypt(key, cipher, _place(hub_id, appeal_id, "text")).decode(),
            Decided(decided) if decided else None,
            None
            if answer is None
            else decrypt(key, answer, _place(hub_id, appeal_id, "answer")).decode(),
            answered_at,
        )
        for appeal_id, about, made_at, cipher, decided, answer, answered_at in rows
    ]


_LISTED = (
    Appeal.appeal_id,
    Appeal.about,
    Appeal.made_at,
    Appeal.screening_id,
    Appeal.decided,
    Appeal.answered_at,
)


async def page(
    tx: Reading, hub_id: str, *, open_only: bool, cursor: str | None, limit: int
) -> list[RowMapping]:
    """Appeals without their words, the oldest first, from the cursor on; at most `limit`."""
    wanted = [Appeal.hub_id == hub_id]
    if open_only:
        wanted.append(Appeal.answered_at.is_(None))
    if cursor is not None:
        after = tuple_(*paging.decode(cursor))
        wanted.append(tuple_(Appeal.made_at, Appeal.appeal_id) > after)
    found = await tx.sql.execute(
        select(*_LISTED).where(*wanted).order_by(Appeal.made_at, Appeal.appeal_id).limit(limit)
    )
    return list(found.mappings())


async def head(tx: Reading, hub_id: str, appeal_id: UUID) -> RowMapping:
    """An appeal without its words. Raises `NotFound`."""
    found = await tx.sql.execute(
        select(*_LISTED).where(Appeal.hub_id == hub_id, Appeal.appeal_id == appeal_id)
    )
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFound("There is no such appeal.")
    return row


async def overdue(tx: Reading, hub_id: str, now: datetime) -> dict[UUID, dict[str, object]]:
    """Appeals nobody has answered in time, with what is told of each; the oldest first."""
    found = await tx.sql.execute(
        select(Appeal.appeal_id, Appeal.about, Appeal.made_at)
        .where(
            Appeal.hub_id == hub_id,
            Appeal.made_at <= now - ANSWERED_WITHIN,
            Appeal.answered_at.is_(None),
        )
        .order_by(Appeal.made_at, Appeal.appeal_id)
        .limit(MOST_OVERDUE)
    )
    return {
        appeal_id: {"about": about, "since": (made_at + ANSWERED_WITHIN).isoformat()}
        for appeal_id, about, made_at in found
    }


async def read(
    tx: Transaction,
    keys: KeyFiles,
    who: Principal,
    appeal_id: UUID,
    purpose: Purpose,
    reason: str | None,
    at: datetime,
) -> str:
    """What the traveller wrote; on the record first. Raises `NotFound`, `KeyDestroyed`."""
    found = await tx.sql.execute(
        select(Appeal.day, Appeal.cipher).where(
            Appeal.hub_id == who.hub_id, Appeal.appeal_id == appeal_id
        )
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such appeal.")
    day, cipher = row
    key = await keys.open(day_key(day))
    text = decrypt(key, cipher, _place(who.hub_id, appeal_id, "text")).decode()
    look = AccessEntry(Action.REVEAL, purpose, ("appeal",), subject_id=appeal_id, reason=reason)
    await access_log.record(tx, access_log.actor(who), look, at)
    return text


async def decide(
    tx: Transaction,
    keys: KeyFiles,
    who: Principal,
    appeal_id: UUID,
    decided: Decided,
    answer: str,
    at: datetime,
) -> None:
    """Answer an appeal, once; the same again changes nothing.

    Raises `NotFound`, `Conflict` when it was answered otherwise, `KeyDestroyed`.
    """
    if who.operator_id is None:
        raise Forbidden("An appeal is answered by a person.")
    mine = (Appeal.hub_id == who.hub_id, Appeal.appeal_id == appeal_id)
    found = await tx.sql.execute(
        select(Appeal.day, Appeal.decided, Appeal.answer).where(*mine).with_for_update()
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such appeal.")
    day, before, said = row
    key = await keys.open(day_key(day))
    place = _place(who.hub_id, appeal_id, "answer")
    if said is not None:
        if (before, decrypt(key, said, place).decode()) != (decided.value, answer):
            raise Conflict("This appeal was answered otherwise before.")
        return
    await tx.sql.execute(
        update(Appeal)
        .where(*mine)
        .values(
            decided=decided.value,
            answered_at=at,
            answered_by=who.operator_id,
            answer=encrypt(key, answer.encode(), place),
        )
    )
    body: dict[str, object] = {"decided": decided.value}
    told = Event(who.hub_id, ANSWERED, appeal_id, at, body, who.device_id, who.operator_id)
    await events.append(tx, [told])


def _place(hub_id: str, appeal_id: UUID, part: str) -> bytes:
    return f"appeal|{hub_id}|{appeal_id}|{part}".encode()
