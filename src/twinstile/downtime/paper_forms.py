"""Forms filled in by hand while nothing else worked, keyed in later: checks like any other."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import RowMapping, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from twinstile.downtime.tables import PaperForm
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.problems import (
    AlreadyExists,
    Conflict,
    FieldFault,
    Forbidden,
    IdReused,
    InvalidInput,
    NotFound,
    TooLate,
)
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security.auth import Principal
from twinstile.policy import versions
from twinstile.policy.types import Parameters
from twinstile.policy.versions import Policies
from twinstile.screening import alerts, checks, intake, readings
from twinstile.screening.alerts import Raised
from twinstile.screening.bodies import CheckFact, TemperatureBody
from twinstile.screening.intake import Receiver
from twinstile.screening.tables import Check
from twinstile.screening.types import AlertKind
from twinstile.screening.visit import RecordedCheck

SOURCE = "PAPER"
MOST = 500
_A_MOMENT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Again:
    """The second reading that stands on a form: a check of its own, right after the first."""

    check_id: UUID
    counter: int
    temperature: TemperatureBody


@dataclass(frozen=True, slots=True)
class Form:
    """A form as keyed: `fact` is what it says, `counter` the keying device's own."""

    form_no: str
    check_id: UUID
    counter: int
    fact: CheckFact
    again: Again | None = None

    def facts(self, at: datetime) -> list[tuple[UUID, int, CheckFact]]:
        """The checks of it. What was decided on paper was decided after the last reading."""
        first = self.fact.model_copy(update={"offline": True})
        if self.again is None:
            return [(self.check_id, self.counter, first)]
        moment = min(first.observed_at + _A_MOMENT, at)
        second = CheckFact.model_construct(
            observed_at=moment,
            offline=True,
            decided=first.decided,
            lane_id=first.lane_id,
            identity=first.identity,
            temperature=self.again.temperature,
        )
        first = first.model_copy(update={"decided": None})
        return [
            (self.check_id, self.counter, first),
            (self.again.check_id, self.again.counter, second),
        ]


async def window(tx: Reading, hub_id: str, policies: Policies, at: datetime) -> Parameters:
    """The policy's figures: how old what is keyed in may be, and what a fever is."""
    policy = await policies.get(tx, hub_id, await versions.in_force(tx, hub_id, at))
    return policy.parameters


async def key(
    tx: Transaction, receiver: Receiver, policies: Policies, form: Form
) -> tuple[RecordedCheck, bool]:
    """Record what a form says, by the policy of its moment; whether it tells of a fever.

    What is told of is the last check. The same form with the same check is taken once. Raises
    `AlreadyExists` for a form that was keyed as another check, `IdReused`, `TooLate`,
    `InvalidInput` for a moment to come.
    """
    who, at = receiver.who, receiver.at
    if who.operator_id is None:
        raise Forbidden("A form is keyed by a person.")
    figures = await window(tx, who.hub_id, policies, at)
    if form.fact.observed_at > at:
        raise InvalidInput(errors=[FieldFault("/observed_at", "out-of-range")])
    if form.fact.observed_at < at - timedelta(hours=figures.replay_hours):
        raise TooLate
    if form.fact.lane_id is None:
        raise InvalidInput(errors=[FieldFault("/lane_id", "missing")])
    facts = form.facts(at)
    fever = any(is_fever(fact, figures) for _, _, fact in facts)
    entered = await tx.sql.execute(
        upsert(PaperForm)
        .values(
            hub_id=who.hub_id,
            form_no=form.form_no,
            check_id=form.check_id,
            fever=fever,
            keyed_by=who.operator_id,
            device_id=who.device_id,
            keyed_at=at,
        )
        .on_conflict_do_nothing()
        .returning(PaperForm.form_no)
    )
    if entered.one_or_none() is None:
        known = await tx.sql.execute(
            select(PaperForm.check_id).where(
                PaperForm.hub_id == who.hub_id, PaperForm.form_no == form.form_no
            )
        )
        if known.scalar_one_or_none() != form.check_id:
            raise AlreadyExists("This form, or this check, was keyed before.")
    said = {"source": SOURCE, "form_no": form.form_no}
    made = [intake.check(fact, id_, counter, at, receiver) for id_, counter, fact in facts]
    noted = [replace(check, evidence={**check.evidence, **said}) for check in made]
    stand = checks.RecordingContext(who.hub_id, receiver.keys, policies, receiver.zone, at)
    done = await checks.record(tx, stand, noted, counting=True)
    if any(one.reused for one in done) or len({one.status for one in done}) > 1:
        raise IdReused  # keyed before, with another second reading or without one
    return done[-1], fever


def is_fever(fact: CheckFact, figures: Parameters) -> bool:
    """Whether the reading, with the thermometer's error, reaches the threshold."""
    thermal = fact.temperature
    if thermal is None:
        return False
    measured = readings.tenths(thermal.value, thermal.unit)
    taken = measured, thermal.method.value, readings.band(thermal.error)
    return readings.upper(taken, figures) >= figures.threshold_tenths


async def look(
    tx: Transaction, who: Principal, form_no: str, word: tuple[bool, str | None], at: datetime
) -> None:
    """A second person has compared form and check; the same again changes nothing.

    Where they differ somebody is alerted: only a clinician ends a suspicion. Raises `NotFound`,
    `Forbidden` for who keyed it, `Conflict` when another word was given before.
    """
    mine = (PaperForm.hub_id == who.hub_id, PaperForm.form_no == form_no)
    found = await tx.sql.execute(
        select(
            PaperForm.keyed_by,
            PaperForm.second_by,
            PaperForm.agrees,
            PaperForm.reason,
            PaperForm.check_id,
        )
        .where(*mine)
        .with_for_update()
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such form.")
    keyed_by, second_by, *given, check_id = row
    if who.operator_id is None or who.operator_id == keyed_by:
        raise Forbidden("The second look is another person's.")
    if second_by is not None:
        if (second_by, *given) != (who.operator_id, *word):
            raise Conflict("Somebody has looked at this form before.")
        return
    agrees, reason = word
    await tx.sql.execute(
        update(PaperForm)
        .where(*mine)
        .values(second_by=who.operator_id, second_at=at, agrees=agrees, reason=reason)
    )
    told = Event(
        who.hub_id, "paper.compared", check_id, at, {"agrees": agrees}, who.device_id,
        who.operator_id,
    )  # fmt: skip
    await events.append(tx, [told])
    if not agrees:
        screening = await tx.sql.execute(
            select(Check.screening_id).where(Check.hub_id == who.hub_id, Check.id == check_id)
        )
        facts: dict[str, object] = {"cause": "PAPER_DIFFERS", "check": str(check_id)}
        raised = Raised(AlertKind.RETROSPECTIVE, screening.scalar_one(), facts)
        await alerts.raise_all(tx, who.hub_id, [raised], at)


async def listed(tx: Reading, hub_id: str, *, pending: bool) -> list[RowMapping]:
    """Forms keyed in, the latest first, at most `MOST`; or those to be looked at again."""
    wanted = [PaperForm.hub_id == hub_id]
    if pending:
        wanted += [PaperForm.fever, PaperForm.second_at.is_(None)]
    found = await tx.sql.execute(
        select(*PaperForm.__table__.columns)
        .where(*wanted)
        .order_by(PaperForm.keyed_at.desc(), PaperForm.form_no)
        .limit(MOST)
    )
    return list(found.mappings())
