"""Finding the contacts of a case and keeping them: each list is a fact, made once and ranked.

A seat that is corrected later changes no list; another list is made, and both stay. Whom a list
names is held under the key of the case and ends with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Final, cast
from uuid import UUID

from sqlalchemy import RowMapping, insert, select

from twinstile.cases import episodes, steps
from twinstile.contacts import exposure, geometry
from twinstile.contacts.exposure import OnRun, Patient, ReportedStay
from twinstile.contacts.geometry import ContactReason, DataCoverage, TracedContact
from twinstile.contacts.tables import ContactList, ListedContact
from twinstile.identity import extended_retention, vault
from twinstile.identity.vault import Identity
from twinstile.platform.db.database import Reading, Transaction, as_json
from twinstile.platform.http.problems import Forbidden, IdReused, NotFound
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security import access_log
from twinstile.platform.security.access_log import AccessEntry, Action, Purpose
from twinstile.platform.security.auth import Principal
from twinstile.policy import versions
from twinstile.policy.types import ContactClass, ContactRules, Conveyance, Zone
from twinstile.policy.versions import Policies

TRACED: Final = "case.contacts-traced"
MOST: Final = 10_000
"""Contacts of one list; a train and a ferry have fewer people."""
SHOWN: Final = ("name", "document")
MODES: Final[Mapping[Conveyance, str]] = {
    Conveyance.AIRCRAFT: "AIR",
    Conveyance.TRAIN: "RAIL",
    Conveyance.TRAIN_SLEEPER: "RAIL",
    Conveyance.TRAIN_OPEN: "RAIL",
    Conveyance.COACH: "ROAD",
    Conveyance.COACH_OPEN: "ROAD",
    Conveyance.SHIP: "SEA",
}


@dataclass(frozen=True, slots=True)
class TraceRequest:
    """What to find: of runs of its mode the conveyance, and places the patient tells of."""

    list_id: UUID
    case_id: UUID
    conveyance: Conveyance | None
    places: tuple[ReportedStay, ...]

    @property
    def content(self) -> dict[str, object]:
        return {
            "conveyance": self.conveyance,
            "places": [{**asdict(one), "run_id": str(one.run_id)} for one in self.places],
        }


@dataclass(frozen=True, slots=True)
class _Gathered:
    """Everything found, before anybody is kept."""

    contacts: list[TracedContact]
    runs: list[OnRun]
    known: DataCoverage


async def trace(
    tx: Transaction,
    keys: KeyFiles,
    policies: Policies,
    who: Principal,
    request: TraceRequest,
    at: datetime,
) -> RowMapping:
    """Find the contacts of a case and keep the list; the same again gives the same list.

    The case is locked meanwhile. Raises `NotFound`, `IdReused`, `Forbidden` without a person,
    `KeyDestroyed` where the identity of the case has ended, `MasterUnavailable`.
    """
    if who.operator_id is None:
        raise Forbidden("Only a person on shift traces contacts.")
    case = await steps.lock(tx, who.hub_id, request.case_id)
    earlier = await _list(tx, who.hub_id, request.list_id)
    if earlier is not None:
        if (earlier["case_id"], earlier["asked"]) != (request.case_id, request.content):
            raise IdReused
        return earlier
    key_id = vault.case_key(request.case_id)
    await keys.obtain(key_id)  # of an identity that has ended, nobody is traced any more
    version = await versions.in_force(tx, who.hub_id, at)
    rules = (await policies.get(tx, who.hub_id, version)).contacts
    gathered = await _gather(tx, who.hub_id, request, rules)
    contacts = gathered.contacts[:MOST]
    people = [one.person_id for one in contacts]
    named = await extended_retention.hold(tx, keys, who.hub_id, key_id, people, at)
    known = replace(gathered.known, named=geometry.share(named, len(people)))
    close = sum(one.contact_class is ContactClass.CLOSE for one in contacts)
    counts = {"close": close, "general": len(contacts) - close}
    await tx.sql.execute(
        insert(ContactList).values(
            hub_id=who.hub_id,
            list_id=request.list_id,
            case_id=request.case_id,
            made_at=at,
            device_id=who.device_id,
            operator_id=who.operator_id,
            policy_version=version,
            asked=request.content,
            runs=[run.trip.run_id for run in gathered.runs],
            known={**asdict(known), "score": known.score},
            **counts,
        )
    )
    await _keep(tx, who.hub_id, request.list_id, contacts, gathered.runs)
    told = {"case_no": case.case_no, "completeness": known.score, **counts}
    await _tell(tx, who, request, told, at)
    return await one(tx, who.hub_id, request.list_id)


async def _tell(
    tx: Transaction,
    who: Principal,
    request: TraceRequest,
    payload: Mapping[str, object],
    at: datetime,
) -> None:
    body: dict[str, object] = {**payload, "list_id": str(request.list_id)}
    happening = Event(
        who.hub_id, TRACED, request.case_id, at, body, who.device_id, who.operator_id
    )
    await events.append(tx, [happening])


async def _gather(
    tx: Reading, hub_id: str, request: TraceRequest, rules: ContactRules
) -> _Gathered:
    whose = await exposure.patient(tx, hub_id, request.case_id)
    runs = await exposure.on_runs(tx, hub_id, whose, request.places)
    found: list[TracedContact] = []
    for run in runs:
        conveyance = request.conveyance
        if conveyance is None or MODES[conveyance] != run.trip.mode:
            conveyance = rules.by_mode[run.trip.mode]
        found += geometry.near(run.patient, run.others, conveyance, rules)
    found += _all(rules, Zone.PARTY, await exposure.party(tx, hub_id, whose))
    at_gate, gate = await _at_gates(tx, hub_id, whose, rules)
    found += at_gate
    return _Gathered(geometry.ranked(found), runs, _known(runs, gate))


def _all(rules: ContactRules, zone: Zone, people: Sequence[UUID]) -> list[TracedContact]:
    """These people as contacts by every rule of a zone that has nothing to do with places."""
    reasons = tuple(
        ContactReason(rule.rule_id, rule.contact_class, rule.weight)
        for rule in rules.rules
        if rule.zone is zone
    )
    return [TracedContact(person_id, reasons) for person_id in people if reasons]


async def _at_gates(
    tx: Reading, hub_id: str, whose: Patient, rules: ContactRules
) -> tuple[list[TracedContact], int | None]:
    found: list[TracedContact] = []
    known: list[int] = []
    for rule in rules.rules:
        if rule.zone is Zone.GATE:
            within = timedelta(minutes=rule.reach)
            strangers, people = await exposure.find_at_gates(tx, hub_id, whose, within)
            known.append(geometry.known_beside(len(people), strangers))
            reason = ContactReason(rule.rule_id, rule.contact_class, rule.weight)
            found += [TracedContact(person_id, (reason,)) for person_id in people]
    return found, min(known, default=None)


def _known(runs: Sequence[OnRun], gate: int | None) -> DataCoverage:
    """How much was known; who is named is not known yet."""
    patient, placed, legs, crew, others = 0, 0, 0, 0, 0
    for run in runs:
        others += len(run.others)
        crew += any(one.crew for one in run.others)
        of_patient, of_others, of_legs = geometry.known_of(run.patient, run.others)
        patient, placed, legs = patient + of_patient, placed + of_others, legs + of_legs
    return DataCoverage(
        patient=round(patient / len(runs)) if runs else 0,
        places=geometry.share(placed, others),
        legs=geometry.share(legs, others),
        crew=geometry.share(crew, len(runs)),
        gate=gate,
        named=None,
    )


_KEEP = """
INSERT INTO contact
    (hub_id, list_id, n, person_id, run_id, coach, seat, contact_class, points, reasons)
SELECT $1, $2, c.n, c.person_id, c.run_id, c.coach, c.seat, c.contact_class, c.points, c.reasons
FROM jsonb_to_recordset($3::jsonb) AS c(
    n smallint, person_id uuid, run_id uuid, coach text, seat text, contact_class text,
    points smallint, reasons jsonb)
"""


async def _keep(
    tx: Transaction,
    hub_id: str,
    list_id: UUID,
    contacts: Sequence[TracedContact],
    runs: Sequence[OnRun],
) -> None:
    rows: list[dict[str, object]] = []
    for n, one in enumerate(contacts, 1):
        where = next((run for run in runs if one.person_id in run.shown), None)
        coach, seat = where.shown[one.person_id] if where else (None, None)
        rows.append(
            {
                "n": n,
                "person_id": one.person_id,
                "run_id": where and where.trip.run_id,
                "coach": coach,
                "seat": seat,
                "contact_class": one.contact_class,
                "points": one.points,
                "reasons": [_told(reason) for reason in one.reasons],
            }
        )
    await tx.raw.execute(_KEEP, hub_id, list_id, as_json(rows))


def _told(reason: ContactReason) -> dict[str, object]:
    return {
        "rule_id": reason.rule_id,
        "certain": reason.certain,
        "earlier": reason.earlier,
        "legs": reason.legs,
    }


_LIST = (
    ContactList.list_id,
    ContactList.case_id,
    ContactList.made_at,
    ContactList.operator_id,
    ContactList.policy_version,
    ContactList.asked,
    ContactList.runs,
    ContactList.known,
    ContactList.close,
    ContactList.general,
    ContactList.forgotten_at,
)


async def _list(tx: Reading, hub_id: str, list_id: UUID) -> RowMapping | None:
    found = await tx.sql.execute(
        select(*_LIST).where(ContactList.hub_id == hub_id, ContactList.list_id == list_id)
    )
    return found.mappings().one_or_none()


async def one(tx: Reading, hub_id: str, list_id: UUID) -> RowMapping:
    """A list as it was made. Raises `NotFound`."""
    found = await _list(tx, hub_id, list_id)
    if found is None:
        raise NotFound("There is no such list of contacts.")
    return found


async def of_case(tx: Reading, hub_id: str, case_id: UUID, limit: int) -> list[RowMapping]:
    """The lists of a case and of those merged into it, the latest first."""
    whole = await episodes.case_ids(tx, hub_id, case_id)
    found = await tx.sql.execute(
        select(*_LIST)
        .where(ContactList.hub_id == hub_id, ContactList.case_id.in_(whole))
        .order_by(ContactList.made_at.desc(), ContactList.list_id.desc())
        .limit(limit)
    )
    return list(found.mappings())


async def page(
    tx: Reading, hub_id: str, list_id: UUID, after: int, limit: int
) -> list[RowMapping]:
    """Contacts of a list behind a place, the nearest first."""
    found = await tx.sql.execute(
        select(
            ListedContact.n,
            ListedContact.run_id,
            ListedContact.coach,
            ListedContact.seat,
            ListedContact.contact_class,
            ListedContact.points,
            ListedContact.reasons,
        )
        .where(
            ListedContact.hub_id == hub_id,
            ListedContact.list_id == list_id,
            ListedContact.n > after,
        )
        .order_by(ListedContact.n)
        .limit(limit)
    )
    return list(found.mappings())


async def show(
    tx: Transaction,
    keys: KeyFiles,
    who: Principal,
    list_id: UUID,
    n: int,
    why: tuple[Purpose, str | None],
    at: datetime,
) -> Identity:
    """Who a contact is; on the record first. Raises `NotFound`, `KeyDestroyed`."""
    listed = await one(tx, who.hub_id, list_id)
    found = await tx.sql.execute(
        select(ListedContact.person_id).where(
            ListedContact.hub_id == who.hub_id,
            ListedContact.list_id == list_id,
            ListedContact.n == n,
        )
    )
    person_id = found.scalar_one_or_none()
    if person_id is None:
        raise NotFound("There is no such contact (any more).")
    key_id = vault.case_key(cast("UUID", listed["case_id"]))
    identity = await extended_retention.reveal(tx, keys, who.hub_id, key_id, person_id)
    purpose, reason = why
    look = AccessEntry(Action.REVEAL, purpose, SHOWN, subject_id=person_id, reason=reason)
    await access_log.record(tx, access_log.actor(who), look, at)
    return identity
