"""Say who the patient of a case is who came without a name: unconscious, or alone."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import update

from twinstile.cases import case_merge, referrals
from twinstile.cases.referrals import IDENTIFIED, Identification
from twinstile.identity import vault
from twinstile.identity.vault import Identity
from twinstile.platform.db.database import Transaction
from twinstile.platform.http.problems import Conflict, IdReused
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.ledger import events
from twinstile.platform.security.auth import Principal
from twinstile.screening.bodies import FactStatus
from twinstile.screening.tables import Screening


class How(StrEnum):
    """How somebody was identified who could not say it."""

    PAPERS_FOUND = "PAPERS_FOUND"
    SAID_SO = "SAID_SO"
    RELATIVE = "RELATIVE"
    COMPANION = "COMPANION"
    POLICE = "POLICE"
    HOSPITAL = "HOSPITAL"


@dataclass(frozen=True, slots=True)
class Naming:
    """Somebody tells whose case it is."""

    naming_id: UUID
    case_id: UUID
    identity: Identity
    how: How


async def name(
    tx: Transaction,
    keys: KeyFiles,
    who: Principal,
    naming: Naming,
    zone: ZoneInfo,
    at: datetime,
) -> FactStatus:
    """Enter the patient's identity at the case and its screenings.

    From then on the person is recognised at the gates. Sent again, it answers `duplicate`.
    Raises `NotFound`, `IdReused`, `Conflict` for a case whose patient is known, `KeyDestroyed`.
    """
    hub_id = who.hub_id
    day = at.astimezone(zone).date()
    (person_id,) = await vault.recognise(tx, keys, hub_id, day, [naming.identity])
    earlier = await events.find(tx, hub_id, naming.naming_id)
    screening_id, known = await referrals.patient(tx, hub_id, naming.case_id)
    if earlier is not None:
        same = earlier.kind == IDENTIFIED and earlier.subject_id == naming.case_id
        if not same or (earlier.body.get("how"), known) != (naming.how, person_id):
            raise IdReused
        return FactStatus.DUPLICATE
    found = Identification(
        naming.case_id,
        person_id,
        naming.identity,
        naming.how,
        who.device_id,
        who.operator_id,
        naming.naming_id,
    )
    if not await case_merge.identify(tx, keys, hub_id, zone, found, at):
        raise Conflict("Whose case this is has been said already.")
    await tx.sql.execute(
        update(Screening)
        .where(
            Screening.hub_id == hub_id,
            Screening.screening_id == screening_id,
            Screening.person_id.is_(None),
        )
        .values(person_id=person_id)
    )
    return FactStatus.STORED
