"""Channels: the ways a message leaves the house.

A channel promises little: within its deadline it says of each message of a batch what became
of it, or raises `ChannelDown` when it took none at all. Whatever else happens, its answer
counts as lost, and it is asked later.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

from twinstile.platform.keys.master_keys import erase, sync_folder, write_synced
from twinstile.platform.security.hub_modes import HubMode
from twinstile.reminders.types import LONGEST_LIFE, DeliveryOutcome, Message, MessageBatch
from twinstile.screening.types import NoticeState

FILE: Final = "file"
"""The channel every installation has."""


class ChannelDown(Exception):
    """No message of the batch was taken, for certain; `code` is a word for why.

    `wait`: how long the channel itself asks to be let alone.
    """

    def __init__(self, code: str, wait: timedelta | None = None) -> None:
        self.code = code
        self.wait = wait
        super().__init__(code)


class AnswerLost(Exception):
    """Nobody knows what became of the batch; `code` is a word for what is known instead."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Channel(Protocol):
    """One way out. Each method is given `deadline_s` and is cancelled after it."""

    @property
    def at_once(self) -> int:
        """Messages of a batch."""
        ...

    @property
    def deadline_s(self) -> float:
        """How long a batch may take."""
        ...

    @property
    def asked_every(self) -> timedelta:
        """How long to wait before asking again about what was handed over."""
        ...

    async def send(
        self, batch: MessageBatch, messages: Sequence[Message]
    ) -> Mapping[UUID, DeliveryOutcome]:
        """Take a batch; what became of each message.

        Raises `ChannelDown`; `AnswerLost`, or anything else, where nobody knows.
        """
        ...

    async def ask(
        self, batch: MessageBatch, notices: Sequence[UUID], at: datetime, *, answered: bool
    ) -> Mapping[UUID, DeliveryOutcome]:
        """What became of messages given out before; those it says nothing of are unknown.

        `answered`: they were handed over for certain. Otherwise the answer was lost, and the
        process perhaps with it; WAITING then says that they were never taken.
        """
        ...


@dataclass(frozen=True, slots=True)
class FileChannel:
    """Lays each batch into a folder, one JSON object a line, for a gateway to take away.

    A file appears whole or not at all, readable by this account alone. Taking it away, by
    moving or removing it, is the gateway's word that it sends what is in it. What nobody takes
    before it is of no use is removed again.
    """

    folder: Path
    at_once: int = 500
    deadline_s: float = 10.0
    asked_every: timedelta = timedelta()

    async def send(
        self, batch: MessageBatch, messages: Sequence[Message]
    ) -> Mapping[UUID, DeliveryOutcome]:
        """Write the file. Raises `ChannelDown`."""
        lines = [json.dumps(_line(batch, message), ensure_ascii=False) for message in messages]
        await asyncio.to_thread(self._write, batch, "".join(f"{line}\n" for line in lines))
        outcome = DeliveryOutcome(NoticeState.HANDED, self._file(batch).name)
        return {message.notice_id: outcome for message in messages}

    async def ask(
        self, batch: MessageBatch, notices: Sequence[UUID], at: datetime, *, answered: bool
    ) -> Mapping[UUID, DeliveryOutcome]:
        """Look whether the file was taken."""
        outcome = await asyncio.to_thread(self._look, batch, at, answered=answered)
        return dict.fromkeys(notices, outcome) if outcome else {}

    def _write(self, batch: MessageBatch, text: str) -> None:
        file, draft = self._file(batch), self._draft(batch)
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_synced(draft, text.encode())
            draft.rename(file)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise ChannelDown("storage") from error
        sync_folder(file.parent)

    def _look(
        self, batch: MessageBatch, at: datetime, *, answered: bool
    ) -> DeliveryOutcome | None:
        file, draft = self._file(batch), self._draft(batch)
        late = file.with_suffix(".late")
        if draft.exists():
            erase(draft)
            return DeliveryOutcome(NoticeState.WAITING, code="interrupted")
        if at < batch.not_after and file.exists():
            return DeliveryOutcome(NoticeState.HANDED, file.name)
        # whoever comes to take it now is too late; the empty file says so until it is entered
        with contextlib.suppress(FileNotFoundError):
            file.rename(late)
        if late.exists():
            write_synced(late, b"")
            return DeliveryOutcome(NoticeState.FAILED, file.name, "not-collected")
        return DeliveryOutcome(NoticeState.SENT, file.name) if answered else None

    def tidy(self, hub_id: str, at: datetime) -> None:
        """Remove files that no row can speak of any more, as after a restore."""
        before = (at - LONGEST_LIFE - timedelta(hours=1)).timestamp()
        for file in (self.folder / hub_id).glob("*"):
            try:
                old = file.stat().st_mtime < before
            except FileNotFoundError:
                continue  # taken just now
            if old:
                erase(file)

    def _file(self, batch: MessageBatch) -> Path:
        return self.folder / batch.hub_id / f"{batch.batch_id}.jsonl"

    def _draft(self, batch: MessageBatch) -> Path:
        return self.folder / batch.hub_id / f"{batch.batch_id}.jsonl.new"


def _line(batch: MessageBatch, message: Message) -> dict[str, object]:
    return {
        "notice_id": str(message.notice_id),
        "channel": message.contact,
        "to": message.to,
        "language": message.language,
        "text": message.text,
        "not_after": batch.not_after.isoformat(),
        **({} if message.counts is None else {"counts": message.counts}),
        **({} if batch.mode is HubMode.PRODUCTION else {"mode": batch.mode}),
    }
