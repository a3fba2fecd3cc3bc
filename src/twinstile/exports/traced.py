"""The contacts of a case with names, for an authority: asked for, agreed to, taken once.

As `identified` does for cases: every contact that is shown is a row of the access log, written
in the transaction that opens the identities and uses up the grant.
"""

import csv
import io
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from twinstile.contacts import tracing
from twinstile.exports import identified
from twinstile.identity import extended_retention, vault
from twinstile.platform.db.database import Transaction
from twinstile.platform.http.problems import FieldFault, InvalidInput, NotFound
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.security import access_log, approvals
from twinstile.platform.security.access_log import AccessEntry, AccessOutcome, Action, Purpose
from twinstile.platform.security.approvals import Approval, Ask, Kind
from twinstile.platform.security.auth import Principal, Scope
from twinstile.policy.types import ContactClass

MOST: Final = 3000
"""Contacts of one list; a longer one is taken for its close contacts alone."""
KIND: Final = Kind("contact-export", Scope.EXPORTS_IDENTIFIED, Scope.EXPORTS_APPROVE)
COLUMNS: Final = (
    *("case_no", "list_id", "n", "class", "points", "service_no", "service_date"),
    *("coach", "seat", "rules"),
    *identified.NAMED,
)


@dataclass(frozen=True, slots=True)
class ContactListRequest:
    """A list of contacts, for whom and what for."""

    list_id: UUID
    close_only: bool
    purpose: Purpose | None
    recipient: str


async def ask(
    tx: Transaction,
    who: Principal,
    export_id: UUID,
    request: ContactListRequest,
    reason: str,
    at: datetime,
) -> Approval:
    """Ask for a list. Raises `PurposeRequired`, `NotFound`, `InvalidInput`, `IdReused`."""
    purpose = access_log.stated(Action.IDENTIFIED_EXPORT, request.purpose, reason)
    row = await tracing.one(tx, who.hub_id, request.list_id)
    if row["forgotten_at"] is not None:
        raise NotFound("Whom the list names was deleted with the identity of the case.")
    if row["close"] + (0 if request.close_only else row["general"]) > MOST:
        raise InvalidInput(errors=[FieldFault("/close_only", "too-many")])
    content: dict[str, object] = {
        "close_only": request.close_only,
        "purpose": purpose.value,
        "recipient": request.recipient,
    }
    asked = Ask(export_id, request.list_id, content, reason)
    return await approvals.ask(tx, who, KIND, asked, at)


_CONTACTS = """
SELECT f.case_no, c.list_id, c.n, c.contact_class, c.points, r.service_no, r.service_date,
       c.coach, c.seat,
       (SELECT string_agg(one ->> 'rule_id', ' ' ORDER BY n)
        FROM jsonb_array_elements(c.reasons) WITH ORDINALITY AS told(one, n)),
       c.person_id, l.case_id
FROM contact_list l
JOIN fever_case f ON f.hub_id = $1 AND f.case_id = l.case_id
JOIN contact c ON c.hub_id = $1 AND c.list_id = l.list_id
LEFT JOIN run r ON r.hub_id = $1 AND r.run_id = c.run_id
WHERE l.hub_id = $1 AND l.list_id = $2 AND c.contact_class = ANY($3::text[])
ORDER BY c.n LIMIT $4
"""


async def take(
    tx: Transaction, who: Principal, keys: KeyFiles, export_id: UUID, at: datetime
) -> str:
    """The list as CSV, header first; the grant is used up.

    Raises what `approvals.use` raises, `MasterUnavailable`.
    """
    granted = await approvals.use(tx, who, KIND, export_id, at)
    wanted = [ContactClass.CLOSE]
    if not granted.content["close_only"]:
        wanted.append(ContactClass.GENERAL)
    rows = await tx.raw.fetch(_CONTACTS, who.hub_id, granted.subject_id, wanted, MOST)
    people = {}
    if rows:
        key_id, persons = vault.case_key(rows[0]["case_id"]), [row["person_id"] for row in rows]
        people = await extended_retention.reveal_under(tx, keys, who.hub_id, key_id, persons)
    text = io.StringIO()
    table = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    table.writerow(COLUMNS)
    looks: list[AccessEntry] = []
    for row in rows:
        *plain, person_id, _ = row
        identity = people.get(person_id)
        looks.append(
            AccessEntry(
                Action.IDENTIFIED_EXPORT,
                Purpose(str(granted.content["purpose"])),
                identified.NAMED,
                subject_id=person_id,
                reason=granted.reason,
                outcome=AccessOutcome.SHOWN if identity else AccessOutcome.NOTHING,
            )
        )
        cells = (*plain, *identified.named(identity))
        table.writerow(identified.cell(value) for value in cells)
    await access_log.record_all(tx, access_log.actor(who), looks, at)
    return text.getvalue()
