"""One transaction's share of a delivery, and what came of it."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Final, TypeAlias

import orjson

from twinstile.arrivals.feeds.reading import FeedSettings, WholeLists
from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.records import (
    ArrivalEvent,
    DocumentClaim,
    HealthStatus,
    IdentityAlert,
    KeyAreaRecord,
    ManifestRow,
    Op,
    RecordOrigin,
    Reject,
)
from twinstile.arrivals.runs import Number
from twinstile.identity import documents
from twinstile.identity.forms import DocumentContext
from twinstile.identity.types import DocumentHolder, Finding, InvalidText
from twinstile.identity.vault import Identity
from twinstile.platform.db.database import Transaction
from twinstile.platform.keys.ciphers import keyed_digest
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.security.hub_modes import HubMode

KeyedRecord: TypeAlias = (
    ArrivalEvent | ManifestRow | IdentityAlert | HealthStatus | KeyAreaRecord
)
"""Records that say something under a key of the sender."""
_NOWHERE: Final = RecordOrigin("", 0)


@dataclass(frozen=True, slots=True)
class BatchContext:
    """What a share is applied with. `n` is the number of the delivery within its feed.

    `key` is that of senders' own keys; `whole_lists` are the lists the delivery holds to their
    end.
    """

    tx: Transaction
    keys: KeyFiles
    feed: FeedSettings
    terms: DocumentContext
    key: bytes
    n: int
    whole_lists: WholeLists
    at: datetime
    not_storable: bool = False
    """Its one record cannot be stored: it is set aside, and counts as said."""

    @property
    def today(self) -> date:
        return self.terms.today

    def digest(self, kind: str, own: str) -> bytes:
        """What stands for a sender's own key of a thing of that kind."""
        return keyed_digest(self.key, f"{kind}|{self.feed.name}", own.encode())

    def content(self, record: KeyedRecord) -> bytes:
        """The same for records that say the same, wherever they stand and came from."""
        said = orjson.dumps(replace(record, origin=_NOWHERE))
        return keyed_digest(self.key, "content", said)


@dataclass(slots=True)
class BatchCounts:
    """What came of the rows so far: each is counted once."""

    applied: int = 0
    repeated: int = 0
    superseded: int = 0
    unmatched: int = 0
    rejects: list[tuple[int, Reject]] = field(default_factory=list[tuple[int, Reject]])
    """With the place of each in the delivery."""
    waiting: set[Number] = field(default_factory=set[Number])
    """Numbers of runs that nobody has announced."""

    @property
    def rows(self) -> int:
        counted = self.applied + self.repeated + self.superseded + self.unmatched
        return counted + len(self.rejects)

    def reject(
        self, place: int, row: int, reason: RejectReason, column: str | None = None
    ) -> None:
        self.rejects.append((place, Reject(row, reason, column)))

    def count(self, *, changed: bool, repeated: bool) -> None:
        """Of a row that was used: it changed something, said it again, or came too late."""
        self.applied += changed
        self.repeated += repeated and not changed
        self.superseded += not (repeated or changed)


def version(record: KeyedRecord) -> int:
    """The sender's number of this word; -1 where it tells none."""
    return -1 if record.origin.version is None else record.origin.version


def deleted(record: KeyedRecord) -> bool:
    return record.op is Op.DELETE


def identify_claim(claim: DocumentClaim, terms: DocumentContext) -> Identity | RejectReason:
    """Who it is. What the number tells goes before what the row does."""
    try:
        read = documents.read(
            claim.kind,
            claim.number,
            today=terms.today,
            issuer=claim.issuer,
            synthetic=terms.synthetic,
            divisions=terms.divisions,
        )
    except InvalidText:
        return RejectReason.INVALID
    if terms.mode is HubMode.PRODUCTION and Finding.SYNTHETIC in read.findings:
        return RejectReason.SYNTHETIC_DOCUMENT
    born = claim.birth_date
    if born is not None and not documents.plausible_birth(born, terms.today):
        born = None
    holder = read.holder
    return Identity(
        read.document,
        DocumentHolder(claim.name, holder.birth_date or born, holder.sex or claim.sex),
    )
