"""TEXTBOOK: the same check as a good FastAPI and SQLAlchemy tutorial would store it.

    python benchmarks/_textbook.py FOLDER DATABASE_URL WORKERS

One asynchronous ORM session a request with SQLAlchemy's default pool, the caller looked up by a
dependency, one SELECT for each thing that must be known, objects added to the session, one
commit before the answer. It has the service's tables and indexes (in a database of its own on
the same server), its body and answer models, its document reader, ciphers and rules, so that
the same rows are written and the same verdict is given. Compiled policies are remembered, as a
programmer would who saw that they never change; uvicorn runs with uvloop and httptools, without
access log and telemetry. It asks the database less than the service does: nothing of manifests,
of reminders to a run, of screenings named by the device. It keeps no ledger, and no guard
stands before it.
"""

import hashlib
import json
import socket
import sys
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

import _hub
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from uuid_utils.compat import uuid7

from twinstile.identity import forms, vault
from twinstile.identity.tables import Vault
from twinstile.identity.vault import Identity
from twinstile.operations import startup
from twinstile.platform.db.tables import Device, EventRecord, Lane, Operator, Shift
from twinstile.platform.keys.ciphers import encrypt
from twinstile.platform.ops import clock
from twinstile.platform.security.auth import Principal, Scope, scopes_of
from twinstile.platform.security.roles import Role
from twinstile.policy import documents
from twinstile.policy.tables import Policy
from twinstile.policy.types import HubPolicy
from twinstile.screening import answers, assisted, intake, machine, rules
from twinstile.screening.bodies import CheckAnswer, CheckBody, FactStatus
from twinstile.screening.deadlines import due
from twinstile.screening.decision_context import DecisionContext
from twinstile.screening.evidence import Evidence
from twinstile.screening.facts import GateCheck
from twinstile.screening.fold import VisitMetadata, pack, read_metadata, unpack
from twinstile.screening.intake import Receiver
from twinstile.screening.tables import Check, Reminder, Screening
from twinstile.screening.types import Decision, ReminderKind, ScreeningState
from twinstile.screening.visit import RecordedCheck

SETTINGS = _hub.settings_of(Path(sys.argv[1]))
KEYS = startup.key_ring(SETTINGS).of(SETTINGS.hub_id)
HUB = SETTINGS.hub_id

engine = create_async_engine(
    sys.argv[2].replace("postgresql://", "postgresql+asyncpg://"),
    json_serializer=lambda value: json.dumps(value, default=str),  # ids among the values
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
bearer = HTTPBearer()


async def get_session() -> AsyncGenerator[AsyncSession]:
    async with sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]


async def get_caller(
    session: Session, credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]
) -> Principal:
    digest = hashlib.sha256(credentials.credentials.encode()).digest()
    found = await session.execute(
        select(Shift, Device)
        .join(Device, (Device.hub_id == Shift.hub_id) & (Device.device_id == Shift.device_id))
        .join(
            Operator,
            (Operator.hub_id == Shift.hub_id) & (Operator.operator_id == Shift.operator_id),
        )
        .where(
            Shift.hub_id == HUB,
            Shift.token_hash == digest,
            Shift.ended_at.is_(None),
            Shift.ends_at > clock.now(),
            Device.revoked_at.is_(None),
            Operator.disabled_at.is_(None),
        )
    )
    row = found.one_or_none()
    if row is None:
        raise HTTPException(401)
    shift, device = row
    roles = frozenset(map(Role, shift.roles))
    if Scope.CHECKS_WRITE not in scopes_of(roles):
        raise HTTPException(403)
    return Principal(
        HUB,
        device.device_id,
        device.lane_id,
        shift.operator_id,
        shift.shift_id,
        roles,
        scopes_of(roles),
        shift.ends_at,
    )


@app.put("/v1/checks/{check_id}", status_code=201)
async def put_check(
    check_id: UUID,
    body: CheckBody,
    session: Session,
    who: Annotated[Principal, Depends(get_caller)],
    accept_language: Annotated[str, Header()] = "en",
) -> CheckAnswer:
    at = clock.now()
    terms = forms.document_context(SETTINGS, SETTINGS.mode, at)
    epochs = await vault.epoch_keys(KEYS, at.astimezone(SETTINGS.zone).date())
    receiver = Receiver(who, KEYS, SETTINGS.zone, terms, at, epochs)
    check = intake.check(body, check_id, body.counter, body.sent_at, receiver)
    if await session.get(Check, (HUB, check_id)) is not None:
        raise HTTPException(409)
    policy = await policy_in_force(session, check.moment)
    person_id = await person_of(session, check.identity, at) if check.identity else None
    screening = await open_screening(session, check, person_id)
    before, evidence = await evidence_so_far(session, screening, check)
    held = person_id is not None and await suspected(session, person_id, screening, policy, at)
    day = check.moment.astimezone(SETTINGS.zone).date()
    around = DecisionContext(check.moment, day, prior_hold=held)
    decision = rules.decide(before, evidence, around, policy)
    lane = await session.get(Lane, (HUB, check.lane_id)) if check.lane_id else None
    fold(screening, check, evidence, decision, policy, lane.kind if lane else None)
    session.add_all(
        [
            screening,
            check_row(check, screening, decision),
            event_row(check, screening, decision),
        ]
    )
    await session.execute(
        update(Device)
        .where(Device.hub_id == HUB, Device.device_id == who.device_id)
        .values(
            last_contact_at=at,
            counters=Device.counters.op("+")(
                func.int8multirange(func.int8range(check.counter, check.counter + 1))
            ),
        )
    )
    await session.commit()
    done = RecordedCheck(
        check.id,
        FactStatus.STORED,
        False,
        screening.screening_id,
        decision,
        machine.completeness(
            evidence.reminders,
            evidence.verifications,
            evidence.services,
            policy.parameters.complete,
        ),
        None,
        None,
        policy,
        (),
        None,
    )
    return answers.check(done, accept_language, who)


compiled: dict[str, HubPolicy] = {}


async def policy_in_force(session: AsyncSession, at: datetime) -> HubPolicy:
    version = await session.scalar(
        select(Policy.version)
        .where(Policy.hub_id == HUB, Policy.effective_from <= at)
        .order_by(Policy.effective_from.desc(), Policy.recorded_at.desc())
        .limit(1)
    )
    if version is None:
        raise HTTPException(404)
    if version not in compiled:
        document = await session.scalar(
            select(Policy.document).where(Policy.hub_id == HUB, Policy.version == version)
        )
        compiled[version] = documents.compile_document(document or {})
    return compiled[version]


async def person_of(session: AsyncSession, identity: Identity, at: datetime) -> UUID:
    """Select the person, or create it: encrypted under the key of the day."""
    today = at.astimezone(SETTINGS.zone).date()
    blinds = vault.blind(await vault.epoch_keys(KEYS, today), identity.document)
    known = await session.scalar(
        select(Vault)
        .where(Vault.hub_id == HUB, Vault.blind.in_(blinds))
        .order_by(Vault.day)
        .limit(1)
    )
    if known is not None and known.day == today:
        return known.person_id
    document, holder = identity.document, identity.holder
    plain = {
        "kind": document.kind,
        "number": document.number,
        "issuer": document.issuer,
        "name": holder.name,
        "birth_date": holder.birth_date.isoformat() if holder.birth_date else None,
        "sex": holder.sex,
    }
    row = Vault(
        hub_id=HUB,
        day=today,
        blind=blinds[0],
        person_id=known.person_id if known else uuid4(),
        first_epoch=known.first_epoch if known else vault.epoch_of(today),
        cipher=encrypt(
            KEYS.get_or_create(vault.day_key(today)),
            json.dumps(plain, ensure_ascii=False).encode(),
            f"vault|{HUB}|{today.isoformat()}|{blinds[0].hex()}".encode(),
        ),
    )
    session.add(row)
    return row.person_id


async def open_screening(
    session: AsyncSession, check: GateCheck, person_id: UUID | None
) -> Screening:
    """The person's open screening, or a new one."""
    if person_id is not None:
        known = await session.scalar(
            select(Screening)
            .where(
                Screening.hub_id == HUB,
                Screening.person_id == person_id,
                Screening.closed_at.is_(None),
            )
            .order_by(Screening.opened_at.desc())
            .limit(1)
            .with_for_update()
        )
        if known is not None:
            return known
    lane = await session.get(Lane, (HUB, check.lane_id)) if check.lane_id else None
    return Screening(
        hub_id=HUB,
        screening_id=check.id,
        person_id=person_id,
        checkpoint=lane.checkpoint if lane else None,
        state=machine.START,
        opened_at=check.moment,
        state_since=check.moment,
        fold={},
        checks=0,
        reminders=[],
        verifications=[],
        services=[],
    )


async def evidence_so_far(
    session: AsyncSession, screening: Screening, check: GateCheck
) -> tuple[ScreeningState, Evidence]:
    """The screening's state and evidence with this check, and a reminder heard in the hall."""
    evidence, _, _ = unpack(vars(screening))
    evidence = evidence.joined(check.brought)
    heard = await session.scalar(
        select(func.max(Reminder.given_at)).where(
            Reminder.hub_id == HUB,
            Reminder.kind == ReminderKind.R2,
            Reminder.checkpoint == screening.checkpoint,
            Reminder.given_at > check.moment - timedelta(hours=1),
        )
    )
    if heard is not None:
        evidence = replace(evidence, reminders=evidence.reminders | {ReminderKind.R2})
    return ScreeningState(screening.state), evidence


async def suspected(
    session: AsyncSession,
    person_id: UUID,
    screening: Screening,
    policy: HubPolicy,
    at: datetime,
) -> bool:
    """Whether another screening of this person raised a suspicion that still stands."""
    window = timedelta(hours=policy.parameters.hold_window_hours)
    found = await session.scalar(
        select(Screening.screening_id)
        .where(
            Screening.hub_id == HUB,
            Screening.person_id == person_id,
            Screening.screening_id != screening.screening_id,
            Screening.referred_at.is_not(None),
            Screening.opened_at > at - window,
        )
        .limit(1)
    )
    return found is not None


def fold(
    screening: Screening,
    check: GateCheck,
    evidence: Evidence,
    decision: Decision,
    policy: HubPolicy,
    lane: str | None,
) -> None:
    before = read_metadata(vars(screening))
    beside = VisitMetadata(
        before.lane or lane,
        assisted.moved(
            before.assisted, ScreeningState(screening.state), decision.state, check.moment
        ),
    )
    for name, value in pack(evidence, check.device_id, check.moment, None, beside).items():
        setattr(screening, name, value)
    screening.state = decision.state
    screening.state_since = check.moment
    screening.due_at = due(decision.state, policy, check.received_at)
    screening.closed_at = check.moment if decision.state.terminal else None
    if any(step.after is ScreeningState.SECONDARY for step in decision.path):
        screening.referred_at = check.moment
    screening.checks += 1


def check_row(check: GateCheck, screening: Screening, decision: Decision) -> Check:
    (key, fingerprint), *_ = check.fingerprints.items()
    return Check(
        hub_id=HUB,
        id=check.id,
        screening_id=screening.screening_id,
        person_id=screening.person_id,
        run_id=check.run_id,
        lane_id=check.lane_id,
        device_id=check.device_id,
        operator_id=check.operator_id,
        shift_id=check.shift_id,
        counter=check.counter,
        observed_at=check.observed_at,
        received_at=check.received_at,
        clock_offset_ms=check.clock_offset_ms,
        clock_suspect=abs(check.clock_offset_ms) > 120_000,
        offline=check.offline,
        evidence=check.evidence,
        fingerprint=fingerprint,
        fingerprint_key=key,
        status=FactStatus.STORED,
        verdict=decision.verdict,
        outcome=decision.outcome,
        state=decision.state,
        reasons=[{"rule_id": r.rule_id, "code": r.code} for r in decision.reasons],
        policy_version=decision.policy_version,
    )


def event_row(check: GateCheck, screening: Screening, decision: Decision) -> EventRecord:
    return EventRecord(
        hub_id=HUB,
        event_id=uuid7(),
        at=check.received_at,
        kind="screening.checked",
        subject_id=screening.screening_id,
        device_id=check.device_id,
        operator_id=check.operator_id,
        body={
            "check": str(check.id),
            "verdict": decision.verdict,
            "rules": [r.rule_id for r in decision.reasons],
            "policy": decision.policy_version,
            "path": [[s.before, s.event, s.after] for s in decision.path],
        },
    )


async def serve(listening: socket.socket) -> None:
    config = uvicorn.Config(app, http="httptools", access_log=False, log_level="warning")
    await uvicorn.Server(config).serve([listening])


if __name__ == "__main__":
    import _front

    _front.stand(serve, int(sys.argv[3]))
