"""Parties as a batch of checks sees them: who belongs, who is the guardian, who is abnormal.

A fold in memory beside that of `visits`. What this batch decided goes before what was read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import Final
from uuid import UUID

from twinstile.policy.types import HubPolicy
from twinstile.screening import machine, rules
from twinstile.screening.alerts import Raised
from twinstile.screening.claims import Claims
from twinstile.screening.decision_context import ALONE, DecisionContext
from twinstile.screening.evidence import Evidence
from twinstile.screening.facts import GateCheck, Situation
from twinstile.screening.types import (
    AlertKind,
    Company,
    Outcome,
    PartyRole,
    ReminderKind,
    ScreeningState,
    VerificationKind,
)
from twinstile.screening.visit import UNRESOLVED, Visit, as_passage

MOST_PEOPLE: Final = 60
"""A school class with its teachers; a larger group is several parties."""
MOST_PASSAGES: Final = 240
"""Each may come by again; all of them are read with every check of one."""
SUSPECT: Final = UNRESOLVED | {ScreeningState.ABANDONED, ScreeningState.HANDED_OVER}
WAITING: Final = frozenset(
    {ScreeningState.PRESENTED, ScreeningState.ASSISTED, ScreeningState.VERIFYING}
)


def flagged(party_id: UUID, passed: UUID, by: UUID) -> Raised:
    """The alert of somebody who had passed when another member turned out abnormal."""
    facts: dict[str, object] = {"party_id": str(party_id), "by": str(by)}
    return Raised(AlertKind.PARTY_FLAGGED, passed, facts)


@dataclass(slots=True)
class _Party:
    """The passages of a party with their roles, how many people, and its row as it was read."""

    row: str | None = None
    roles: dict[UUID, PartyRole] = field(default_factory=dict[UUID, PartyRole])
    people: int = 0
    told: frozenset[UUID] = frozenset()
    """Of which runs the guardian was sent a message, as it was read."""


class Parties:
    """The parties of one batch."""

    def __init__(self, decided: Mapping[UUID, Visit], zone: tzinfo) -> None:
        self._decided = decided
        self._zone = zone
        self._read: dict[UUID, Visit] = {}
        self._of: dict[UUID, _Party] = {}
        self._met: dict[UUID, GateCheck] = {}
        self.member_rows: list[dict[str, object]] = []

    def party_rows(self) -> list[dict[str, object]]:
        """Parties somebody of whom was checked, for `members.join`."""
        return [
            {
                "party_id": party_id,
                "row": self._of[party_id].row,
                "members": self._of[party_id].people,
                "at": check.received_at,
                "device_id": check.device_id,
                "operator_id": check.operator_id,
            }
            for party_id, check in self._met.items()
        ]

    def enter(self, check: GateCheck, passage: Visit, situation: Situation) -> Visit:
        """The passage in its party: the one it is in already, else the one the check names.

        A party that is full takes nobody in, and at last no passage of its own people; a second
        guardian becomes a member.
        """
        gathering = situation.party
        if gathering is not None and gathering.party_id not in self._of:
            roles = {e.screening_id: role for role, e in gathering.members}
            self._of[gathering.party_id] = _Party(
                gathering.row, roles, gathering.people, gathering.told
            )
            self._read |= {
                e.screening_id: as_passage(e, situation) for _, e in gathering.members
            }
        if passage.party_id is not None and passage.party_id in self._of:
            self._met.setdefault(passage.party_id, check)
        if passage.party_id is not None or check.party is None:
            return passage
        party_id = check.party.party_id
        party = self._of.setdefault(party_id, _Party())
        known = self._known_as(party, passage)
        full = known is None and party.people >= MOST_PEOPLE
        if full or len(party.roles) >= MOST_PASSAGES:
            return passage
        role = known or check.party.role
        if role is PartyRole.GUARDIAN and role in party.roles.values():
            role = PartyRole.MEMBER
        party.people += known is None
        party.roles[passage.screening_id] = role
        self._met.setdefault(party_id, check)
        self.member_rows.append(
            {
                "screening_id": passage.screening_id,
                "party_id": party_id,
                "role": role,
                "at": check.received_at,
            }
        )
        return passage._replace(party_id=party_id)

    def _known_as(self, party: _Party, passage: Visit) -> PartyRole | None:
        """The role of the same person's passage before; None: somebody new to the party."""
        mine = (
            party.roles[of]
            for of in reversed(party.roles)
            if passage.person_id and self._now(of).person_id == passage.person_id
        )
        return next(mine, None)

    def _now(self, screening_id: UUID) -> Visit:
        return self._decided.get(screening_id) or self._read[screening_id]

    def role(self, passage: Visit) -> PartyRole | None:
        """What somebody is in the party; None: in none."""
        party = self._of.get(passage.party_id) if passage.party_id else None
        return party.roles.get(passage.screening_id) if party else None

    def told(self, passage: Visit) -> dict[str, str] | None:
        """Party and role as a check's answer tells them."""
        role = self.role(passage)
        return {"party_id": str(passage.party_id), "role": role.value} if role else None

    def _others(self, passage: Visit) -> Iterator[tuple[PartyRole, Visit]]:
        """Everybody else of the party, each once: their latest passage."""
        party = self._of.get(passage.party_id) if passage.party_id else None
        latest: dict[UUID, tuple[PartyRole, Visit]] = {}
        for of, role in party.roles.items() if party else ():
            if of == passage.screening_id:
                continue
            other = self._now(of)
            who = other.person_id or of
            if who == passage.person_id:
                continue
            before = latest.get(who)
            guards = before is not None and before[0] is PartyRole.GUARDIAN
            latest[who] = (PartyRole.GUARDIAN if guards else role, other)
        yield from latest.values()

    def _guardian(self, passage: Visit) -> Visit | None:
        found = (p for role, p in self._others(passage) if role is PartyRole.GUARDIAN)
        return next(found, None)

    def inherited(self, passage: Visit, evidence: Evidence) -> tuple[Evidence, UUID | None]:
        """A minor's evidence with the guardian's reminders and declaration, and whose they are.

        A health credential of the guardian counts as looked at; what it says stays a fact of
        its own (`party.guardian`). Identity and temperature are everybody's own.
        """
        if self.role(passage) is not PartyRole.MINOR:
            return evidence, None
        guardian = self._guardian(passage)
        if guardian is None:
            return evidence, None
        theirs = guardian.evidence
        shown = theirs.verifications & {VerificationKind.CREDENTIAL}
        with_them = replace(
            evidence,
            reminders=evidence.reminders | self._passed_on(passage, guardian),
            verifications=evidence.verifications | shown,
            claims=_declared(evidence.claims, theirs.claims),
        )
        # claims are no part of a comparison of evidence
        same = (with_them, with_them.claims) == (evidence, evidence.claims)
        return (evidence, None) if same else (with_them, guardian.screening_id)

    def _passed_on(self, minor: Visit, guardian: Visit) -> frozenset[ReminderKind]:
        """The guardian's reminders; one before arrival counts for the run it was about."""
        reminders = guardian.evidence.reminders
        party = self._of.get(minor.party_id) if minor.party_id else None
        if party and minor.run_id in party.told:
            return reminders | {ReminderKind.R1}
        alike = minor.run_id is None or guardian.run_id in {None, minor.run_id}
        return reminders if alike else reminders - {ReminderKind.R1}

    def company(self, passage: Visit, policy: HubPolicy, at: datetime) -> Company:
        """What the rules may know of those somebody travels with."""
        role = self.role(passage)
        if role is None:
            return ALONE
        guardian = self._guardian(passage)
        return Company(
            role,
            guardian.evidence.credential if guardian else None,
            policy.parameters.party
            and any(self.abnormal(p, policy, at) for _, p in self._others(passage)),
        )

    def abnormal(self, passage: Visit, policy: HubPolicy, at: datetime) -> bool:
        """Whether somebody is under a suspicion of their own: by their evidence, or a case.

        Not by a document that does not fit, and not because of the others of the party: two
        people who flag each other for nothing else would never be cleared.
        """
        if passage.state not in SUSPECT:
            return False
        if passage.case_id is not None:
            return True
        own = replace(passage.evidence, identity="MATCH")
        around = DecisionContext(at, at.astimezone(self._zone).date())
        alone = rules.decide(ScreeningState.PRESENTED, own, around, policy)
        return alone.outcome >= Outcome.SECONDARY

    def minors(self, guardian: Visit) -> list[Visit]:
        """Minors whose guardian this is."""
        if not self._guards(guardian):
            return []
        return [p for role, p in self._others(guardian) if role is PartyRole.MINOR]

    def _guards(self, passage: Visit) -> bool:
        party = self._of.get(passage.party_id) if passage.party_id else None
        return party is not None and any(
            role is PartyRole.GUARDIAN
            and (
                of == passage.screening_id
                or (passage.person_id and self._now(of).person_id == passage.person_id)
            )
            for of, role in party.roles.items()
        )

    def passed(self, passage: Visit) -> list[Visit]:
        """The others of the party who have gone on already."""
        return [p for _, p in self._others(passage) if p.state in machine.PASSED]


def _declared(own: Claims, theirs: Claims) -> Claims:
    """The guardian's declaration where the minor has none."""
    if own.declared or not theirs.declared:
        return own
    said = Claims(
        declared=True,
        symptoms=theirs.symptoms,
        contact=theirs.contact,
        fever_medicine=theirs.fever_medicine,
    )
    return own.joined(said, late=False)
