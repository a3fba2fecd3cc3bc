"""The line list of cases with names, for an authority: asked for, agreed to, taken once.

Every case that is shown is a row of the access log, written in the transaction that opens the
identities and uses up the grant: what cannot be recorded does not leave. Pseudonymous exports
are `linelist`'s. Addresses are not in it: those are opened to send and for nothing else.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from twinstile.exports import linelist, reader
from twinstile.identity import extended_retention, vault
from twinstile.identity.vault import Identity
from twinstile.platform.db.database import Transaction
from twinstile.platform.http.problems import FieldFault, InvalidInput
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.security import access_log, approvals
from twinstile.platform.security.access_log import AccessEntry, AccessOutcome, Action, Purpose
from twinstile.platform.security.approvals import Approval, Ask, Kind
from twinstile.platform.security.auth import Principal, Scope

MOST: Final = 500
"""Cases of one list; an authority that needs more asks for shorter periods."""
KIND: Final = Kind("identified-export", Scope.EXPORTS_IDENTIFIED, Scope.EXPORTS_APPROVE)
NAMED: Final = ("name", "birth_date", "document_kind", "document_number", "document_issuer")
COLUMNS: Final = (
    *("case_no", "case_id", "opened_at", "state", "sex", "age_years"),
    *("final_disposition", "receiver"),
    *NAMED,
)


@dataclass(frozen=True, slots=True)
class LineListRequest:
    """Cases opened in [since, until), for whom and what for."""

    since: datetime
    until: datetime
    purpose: Purpose | None
    recipient: str


async def ask(
    tx: Transaction,
    who: Principal,
    export_id: UUID,
    request: LineListRequest,
    reason: str,
    at: datetime,
) -> Approval:
    """Ask for a list. Raises `PurposeRequired`, `InvalidInput`, `IdReused`."""
    purpose = access_log.stated(Action.IDENTIFIED_EXPORT, request.purpose, reason)
    reader.require_period(request.since, request.until)
    if await linelist.count(tx, who.hub_id, request.since, request.until) > MOST:
        raise InvalidInput(errors=[FieldFault("/to", "too-many")])
    content = {
        "from": request.since,
        "to": request.until,
        "purpose": purpose.value,
        "recipient": request.recipient,
    }
    return await approvals.ask(tx, who, KIND, Ask(export_id, export_id, content, reason), at)


_CASES_SQL = """
SELECT c.case_no, c.case_id, c.opened_at, c.state, c.sex, c.age_years, d.code, d.receiver,
       c.person_id
FROM fever_case c
LEFT JOIN LATERAL (
    SELECT code, receiver FROM disposition
    WHERE hub_id = c.hub_id AND case_id = c.case_id
    ORDER BY recorded_at DESC, disposition_id DESC LIMIT 1
) d ON true
WHERE c.hub_id = $1 AND c.opened_at >= $2 AND c.opened_at < $3
ORDER BY c.opened_at, c.case_id
LIMIT $4
"""


async def take(
    tx: Transaction, who: Principal, keys: KeyFiles, export_id: UUID, at: datetime
) -> str:
    """The list as CSV, header first; the grant is used up.

    Raises what `approvals.use` raises, `InvalidInput` where more cases than `MOST` were opened
    meanwhile, `MasterUnavailable`.
    """
    granted = await approvals.use(tx, who, KIND, export_id, at)
    told = {name: str(value) for name, value in granted.content.items()}
    period = (datetime.fromisoformat(told["from"]), datetime.fromisoformat(told["to"]))
    rows = await tx.raw.fetch(_CASES_SQL, who.hub_id, *period, MOST + 1)
    if len(rows) > MOST:
        raise InvalidInput(errors=[FieldFault("/to", "too-many")])
    held = {vault.case_key(row["case_id"]): row["person_id"] for row in rows}
    people = await extended_retention.reveal_all(
        tx, keys, who.hub_id, {key_id: person for key_id, person in held.items() if person}
    )
    text = io.StringIO()
    table = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    table.writerow(COLUMNS)
    for row in rows:
        *plain, _ = row
        identity = people.get(vault.case_key(row["case_id"]))
        look = AccessEntry(
            Action.IDENTIFIED_EXPORT,
            Purpose(told["purpose"]),
            NAMED,
            subject_id=row["case_id"],
            reason=granted.reason,
            outcome=AccessOutcome.SHOWN if identity else AccessOutcome.NOTHING,
        )
        await access_log.record(tx, access_log.actor(who), look, at)
        table.writerow(cell(value) for value in (*plain, *named(identity)))
    return text.getvalue()


def named(identity: Identity | None) -> Iterator[object]:
    """What says who it is, in the order of `NAMED`; empty of somebody unknown or destroyed."""
    if identity is None:
        yield from ("" for _ in NAMED)
        return
    holder, document = identity.holder, identity.document
    yield from (holder.name, holder.birth_date)
    yield from (document.kind, document.number, document.issuer)


def cell(value: object) -> str:
    """A value as a spreadsheet takes it: moments in UTC, and nothing it would compute."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return re.sub(linelist.FORMULA, r"'\1", str(value))
