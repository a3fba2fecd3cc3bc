"""The checks of one call as they move their screenings: a fold in memory, no database.

Checks are decided one after the other, so that each sees those before it: a fever and a normal
reading of one person give the same result in one batch as in two.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from uuid import UUID
from zoneinfo import ZoneInfo

from twinstile.cases.referrals import Opening, case_of
from twinstile.policy.areas import NO_AREAS, Areas
from twinstile.policy.types import HubPolicy
from twinstile.screening import assisted, decision_context, machine, reviews, rows, rules
from twinstile.screening.alerts import Raised
from twinstile.screening.bodies import FactStatus
from twinstile.screening.deadlines import due
from twinstile.screening.decision_context import DecisionContext
from twinstile.screening.evidence import Evidence
from twinstile.screening.facts import NOBODY, GateCheck, PersonContext, Situation
from twinstile.screening.fold import BEGUN, VisitMetadata
from twinstile.screening.parties import WAITING, Parties, flagged
from twinstile.screening.reviews import Review, ReviewCause
from twinstile.screening.types import (
    Decision,
    Outcome,
    ReminderKind,
    ScreeningState,
)
from twinstile.screening.visit import (
    RecordedCheck,
    Visit,
    again,
    as_passage,
    at_lane,
    carried_over,
    completeness,
    differs,
    follows,
    group_reminders,
    joins,
    open_case_of,
    open_suspicion,
    opened_by,
    suspected_before,
)


class CheckBatch:
    """The checks of one call, decided one after the other so that each sees those before it."""

    def __init__(
        self, policies: Mapping[str, HubPolicy], zone: ZoneInfo, received: Areas = NO_AREAS
    ) -> None:
        """`received`: the key areas that departments list, beside those of each policy."""
        self._policies = policies
        self._received = received
        self._zone = zone
        self.touched: dict[UUID, Visit] = {}
        self._of_person: dict[UUID, dict[UUID, None]] = {}
        self._about: dict[UUID, PersonContext] = {}
        self.parties = Parties(self.touched, zone)
        self._seen: dict[UUID, tuple[GateCheck, RecordedCheck]] = {}
        self.done: list[RecordedCheck] = []
        self.check_rows: list[dict[str, object]] = []
        self.event_rows: list[dict[str, object]] = []
        self.alerts: list[Raised] = []
        self.came: dict[UUID, ScreeningState] = {}
        """In which state each passage was before this batch."""
        self.named: list[tuple[UUID, UUID, GateCheck]] = []
        """Cases that had no name, and the person whose document was shown now."""
        self.joining: list[Opening] = []
        """Alarms of people who have an open case: they join it."""
        self.reviews: list[Review] = []
        """Decisions of devices that are to be told once more."""
        self.reminded: set[UUID] = set()
        """Parties with minors who wait no longer, and whose guardian was reminded."""

    def openings(self) -> list[Opening]:
        """Cases that the batch confirmed."""
        return [p.opening for p in self.touched.values() if p.opening]

    def released(self) -> list[Visit]:
        """Passages that the batch deferred."""
        deferred = ScreeningState.DEFERRED
        return [
            passage
            for of, passage in self.touched.items()
            if passage.state is deferred is not self.came[of]
        ]

    def returned(self) -> list[UUID]:
        """Passages that were deferred and are not any more: the person is here."""
        deferred = ScreeningState.DEFERRED
        return [
            of
            for of, passage in self.touched.items()
            if self.came[of] is deferred is not passage.state
        ]

    def take(self, check: GateCheck, situation: Situation) -> None:
        """Decide one check and note what to write."""
        if check.id in self._seen:
            first, answer = self._seen[check.id]
            (key, fingerprint), *_ = first.fingerprints.items()
            reused = differs(check, key, fingerprint)
            self.done.append(answer._replace(status=FactStatus.DUPLICATE, reused=reused))
        elif situation.known is not None:
            policy = self._policies[situation.known.policy_version]
            self.done.append(again(check, situation.known, policy))
        else:
            self._decide(check, situation)

    def _decide(self, check: GateCheck, situation: Situation) -> None:
        policy = self._policies[situation.policy_version]
        self._learn(situation)
        before, conflict = self._passage(check, situation, policy)
        passage = self.parties.enter(check, before, situation)
        check = at_lane(check, passage, situation)
        evidence = passage.evidence.joined(check.brought, late=check.moment < passage.last_at)
        inherited = group_reminders(check, situation, policy)
        if not inherited <= evidence.reminders:
            evidence = replace(evidence, reminders=evidence.reminders | inherited)
        evidence, guardian = self.parties.inherited(passage, evidence)
        around = self._around(check, passage, evidence, situation)
        decision, stood = self._reviewed(check, passage, evidence, around, situation)
        after = self._moved(passage, check, evidence, decision, situation)
        status = FactStatus.CONFLICT_KEPT if conflict else FactStatus.STORED
        answer = RecordedCheck(
            check.id,
            status,
            False,
            after.screening_id,
            decision,
            completeness(evidence, policy),
            after.case_id,
            after.case_no,
            policy,
            rules.ordered(decision, evidence, around, policy),
            self.parties.told(after),
            check.findings,
            stands=open_suspicion(passage, after, policy),
        )
        self._keep(passage.state, after)
        self._seen[check.id] = (check, answer)
        self.done.append(answer)
        begins_with = None if passage.checks else passage.evidence
        beside = decision_context.stored_context(stood, evidence, begins_with)
        words = rows.words(decision)
        self.check_rows.append(rows.of_check(check, after, answer, words, guardian, beside))
        told = {"check": check.id, **words.told}
        self.event_rows.append(
            rows.of_event(check, "screening.checked", after.screening_id, told)
        )
        if after.party_id:
            self._tell_the_others(check, before, after, situation)

    def _keep(self, before: ScreeningState, after: Visit) -> None:
        self.came.setdefault(after.screening_id, before)
        self.touched[after.screening_id] = after
        if after.person_id:
            self._of_person.setdefault(after.person_id, {})[after.screening_id] = None

    def _tell_the_others(
        self, check: GateCheck, before: Visit, after: Visit, situation: Situation
    ) -> None:
        """What a check means to the rest of the party.

        Who has passed already is alerted of an abnormal member, and the passage stays as it is.
        Minors who waited for their guardian are decided about again, without a check; of the
        others it is only noted that they were reminded.
        """
        policy = self._policies[situation.policy_version]
        abnormal = self.parties.abnormal
        if (
            after.party_id is not None
            and policy.parameters.party
            and abnormal(after, policy, check.moment)
            and (before.party_id is None or not abnormal(before, policy, check.moment))
        ):
            for other in self.parties.passed(after):
                self.alerts.append(
                    flagged(after.party_id, other.screening_id, after.screening_id)
                )
        for minor in self.parties.minors(after):
            evidence, guardian = self.parties.inherited(minor, minor.evidence)
            if minor.state not in WAITING:
                news = evidence.reminders - minor.evidence.reminders
                if after.party_id and ReminderKind.R1 in news:
                    self.reminded.add(after.party_id)
                continue
            around = self._around(check, minor, evidence, situation)
            decision = rules.decide(minor.state, evidence, around, policy)
            if not decision.path and guardian is None:
                continue
            moved = self._moved(minor, check, evidence, decision, situation)
            self._keep(
                minor.state,
                moved._replace(checks=minor.checks, last_device=minor.last_device),
            )
            inherited = {"party_id": after.party_id, "from": after.screening_id}
            told = {**inherited, **rows.words(decision).told}
            self.event_rows.append(
                rows.of_event(check, "screening.inherited", minor.screening_id, told)
            )

    def _reviewed(
        self,
        check: GateCheck,
        passage: Visit,
        evidence: Evidence,
        context: DecisionContext,
        situation: Situation,
    ) -> tuple[Decision, DecisionContext]:
        """The decision for the passage, by what; what else there is to say of it is noted."""
        policy = self._policies[situation.policy_version]
        whole = rules.decide(passage.state, evidence, context, policy)
        unaware, alone = None, context
        if (context.prior_hold or context.marks) and reviews.is_over(check, policy):
            alone = context._replace(prior_hold=False, marks=frozenset())
            unaware = rules.decide(passage.state, evidence, alone, policy)
        decision, cause = reviews.decision_in_force(check, whole, unaware)
        told = check.id, check.decided, whole
        if cause is not None:
            self.reviews.append(Review(cause, passage.screening_id, *told))
        if whole.verdict in reviews.STOPPED:
            _, others = self._earlier(check, situation)
            self.reviews += [
                Review(ReviewCause.LATER_PASSAGE, other.screening_id, *told)
                for other in others
                if other.screening_id != passage.screening_id
                and reviews.cleared_since(check, other)
            ]
        return decision, alone if decision is unaware else context

    def _around(
        self, check: GateCheck, passage: Visit, evidence: Evidence, situation: Situation
    ) -> DecisionContext:
        """What a decision about this passage, with this evidence, takes from around it."""
        policy = self._policies[situation.policy_version]
        day = check.moment.astimezone(self._zone).date()
        about = self._told_of(passage)
        mine = self._of(about.kin)
        return DecisionContext(
            check.moment,
            day,
            prior_hold=suspected_before(check, passage, about, mine, policy),
            open_case=open_case_of(about, mine) is not None,
            company=self.parties.company(passage, policy, check.moment),
            direction=situation.direction,
            marks=about.marks,
            received=self._received.listed_met(evidence.claims.stays, day),
        )

    def _learn(self, situation: Situation) -> None:
        """Remember what is told of people: a later check may name them by a passage alone."""
        gathered = situation.party.about if situation.party else ()
        for about in (situation.about, *gathered):
            for person_id in about.kin:
                self._about.setdefault(person_id, about)

    def _told_of(self, passage: Visit) -> PersonContext:
        return self._about.get(passage.person_id, NOBODY) if passage.person_id else NOBODY

    def _passage(
        self, check: GateCheck, situation: Situation, policy: HubPolicy
    ) -> tuple[Visit, bool]:
        """The screening a check belongs to, and whether another device just finished it."""
        person_id = situation.person_id
        named, others = self._earlier(check, situation)
        for earlier in (named, *others):
            if earlier and joins(earlier, check, policy):
                if earlier.case_id and earlier.person_id is None and person_id:
                    self.named.append((earlier.case_id, person_id, check))
                return earlier._replace(
                    person_id=earlier.person_id or person_id,
                    run_id=earlier.run_id or situation.run_id,
                    entry_id=earlier.entry_id or situation.entry_id,
                ), False
        last = max((e for e in (named, *others) if e), key=lambda e: e.last_at, default=None)
        supersedes, conflict = follows(last, check, policy) if last else (None, False)
        # A name that is taken, by whomever, is not given to a second screening.
        taken = situation.named is not None or check.screening_id in self.touched
        fresh = Visit(
            check.id if taken or check.screening_id is None else check.screening_id,
            person_id,
            situation.run_id,
            situation.entry_id,
            situation.checkpoint,
            machine.START,
            check.moment,
            carried_over(last, person_id, check, policy),
            supersedes,
            None,
            None,
            None,
            0,
            None,
            check.moment,
            along=VisitMetadata(situation.lane) if situation.lane else BEGUN,
        )
        return fresh, conflict

    def _earlier(
        self, check: GateCheck, situation: Situation
    ) -> tuple[Visit | None, list[Visit]]:
        """The screening the check names, unless it is another person's, and the person's own.

        What this batch knows already goes before what the database does.
        """
        named = self.touched.get(check.screening_id) if check.screening_id else None
        if named is None and situation.named is not None:
            named = as_passage(situation.named, situation)
        if situation.person_id is None:
            return named, []
        kin = situation.about.kin
        if named and named.person_id not in (None, *kin):
            named = None
        others = self._of(kin)[::-1]
        latest = situation.latest
        if latest is not None and latest.screening_id not in self.touched:
            others.append(as_passage(latest, situation))
        return named, others

    def _moved(
        self,
        passage: Visit,
        check: GateCheck,
        evidence: Evidence,
        decision: Decision,
        situation: Situation,
    ) -> Visit:
        """The screening after the check, with the case it opens or joins if it does."""
        state, policy = decision.state, self._policies[situation.policy_version]
        referred = any(step.after is ScreeningState.SECONDARY for step in decision.path)
        # Whoever was held by a deadline gets a case when the suspicion is confirmed later.
        confirmed = state is ScreeningState.HELD and decision.outcome is Outcome.HOLD
        opening = passage.opening
        case_id, case_no = passage.case_id, passage.case_no
        if confirmed and case_id is None:
            opening = opened_by(passage, check, evidence)
            about = self._told_of(passage)
            open_case = open_case_of(about, self._of(about.kin))
            if open_case is not None:
                self.joining.append(replace(opening, case_id=open_case[0]))
                opening = None
            case_id, case_no = open_case or (case_of(passage.screening_id), None)
        along = passage.along
        helped = assisted.moved(along.assisted, passage.state, state, check.moment)
        if helped is not along.assisted:
            along = replace(along, assisted=helped)
        at = max(passage.last_at, check.moment)
        return passage._replace(
            state=state,
            state_since=passage.state_since if state is passage.state else at,
            evidence=evidence,
            case_id=case_id,
            case_no=case_no,
            opening=opening,
            checks=passage.checks + 1,
            last_device=check.device_id,
            last_at=at,
            referred_at=passage.referred_at or (check.moment if referred else None),
            policy=policy,
            due_at=due(state, policy, check.received_at),
            along=along,
        )

    def _of(self, people: Collection[UUID]) -> list[Visit]:
        """The passages of these people that this batch knows, each one's in their order."""
        return [
            self.touched[screening_id]
            for person_id in people
            for screening_id in self._of_person.get(person_id, ())
        ]
