"""Messages as they leave: written from rows that were claimed, with the addresses opened."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy import delete

from twinstile.arrivals import expected, manifests
from twinstile.arrivals.manifests import RunDue
from twinstile.identity import contacts
from twinstile.platform.db.database import Transaction
from twinstile.platform.http.routes import Runtime
from twinstile.platform.security import access_log
from twinstile.platform.security.access_log import AccessEntry, Action, Actor, Purpose
from twinstile.reminders import delivery_receipts, texts
from twinstile.reminders.texts import TextContext
from twinstile.reminders.types import DeliveryOutcome, Message
from twinstile.screening.tables import RunReminded
from twinstile.screening.types import Addressee, NoticeKind, NoticeState
from twinstile.screening.words import Language

_READ: Final = ("contact",)


async def messages(
    tx: Transaction,
    runtime: Runtime,
    hub_id: str,
    due: RunDue,
    text_context: TextContext,
    rows: Sequence[asyncpg.Record],
    now: datetime,
) -> list[Message]:
    """What is to be sent of the rows that were claimed; on the record before it leaves.

    The others are settled: people who are not expected any more, or cannot be reached in time.
    """
    people, keys = [row[1] for row in rows], runtime.keys.of(hub_id)
    awaited = await expected.expected_among(tx, hub_id, due.run_id, people)
    known = await contacts.reveal_contacts(tx, keys, hub_id, due.run_id, people)
    found: list[Message] = []
    refused: dict[UUID, DeliveryOutcome] = {}
    personal = 0
    for notice_id, person_id, kind, language, _, addressee in rows:
        on_board = addressee == Addressee.ON_BOARD
        if due.closed or not (on_board or person_id in awaited):
            refused[notice_id] = DeliveryOutcome(NoticeState.WITHDRAWN)
        elif now >= due.arrival:
            refused[notice_id] = DeliveryOutcome(NoticeState.FAILED, code="too-late")
        elif on_board:
            found.append(await _list(tx, runtime, hub_id, due, text_context, notice_id))
        elif person_id not in known:
            refused[notice_id] = DeliveryOutcome(NoticeState.FAILED, code="contact-destroyed")
        else:
            contact = known[person_id]
            languages = [Language(tag) for tag in language.split(",")]
            text = texts.written(NoticeKind(kind), languages, text_context)
            found.append(Message(notice_id, contact.kind, contact.value, language, text))
            personal += 1
    if personal:
        read = AccessEntry(
            Action.NOTICE, Purpose.REMINDER, _READ, personal, subject_id=due.run_id
        )
        await access_log.record(tx, Actor(hub_id), read, now)
    if due.closed:  # if it comes after all, its people are looked at again
        mine = (RunReminded.hub_id == hub_id, RunReminded.run_id == due.run_id)
        await tx.sql.execute(delete(RunReminded).where(*mine))
    if refused:
        await delivery_receipts.settle(tx, hub_id, refused, now)
    return found


async def _list(
    tx: Transaction,
    runtime: Runtime,
    hub_id: str,
    due: RunDue,
    text_context: TextContext,
    notice_id: UUID,
) -> Message:
    """What is to be announced on a run, and to how many who read what: about nobody."""
    hub = Language(runtime.settings.language)
    people = set((await manifests.expected_travellers(tx, hub_id, due.run_id)).values())
    known = await contacts.languages(tx, hub_id, due.run_id)
    counts = texts.counted((known.get(one, []) for one in people), hub)
    languages = texts.chosen((), hub)
    text = texts.announced(languages, text_context)
    return Message(
        notice_id, Addressee.ON_BOARD, due.service_no, ",".join(languages), text, counts
    )
