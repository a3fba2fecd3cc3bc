"""A declaration shown at a check: found by its pass, and counted for one person only.

Called with the checks of a batch. Its row stays locked until they are recorded, so that a
square shown at two lanes at once counts for the first of the two people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Protocol, cast
from uuid import UUID

from twinstile.declarations import codes, store
from twinstile.declarations.types import (
    GOOD_FOR,
    Answers,
    DeclarationStatus,
    PresentedDeclaration,
)
from twinstile.identity.vault import day_key
from twinstile.platform.db.database import Transaction, as_json
from twinstile.platform.keys.data_keys import OBTAIN_S, KeyDestroyed, KeyFiles
from twinstile.screening.claims import NOTHING, Claims
from twinstile.screening.facts import GateCheck, Situation
from twinstile.screening.types import ReminderKind, ScreeningState

_LOCK = """
SELECT declaration_id, day, revision, said_at, source, reminded_at IS NOT NULL,
       person_id, screening_id, pass_digest, short_code
FROM declaration
WHERE hub_id = $1 AND (pass_digest = ANY($2::bytea[]) OR short_code = ANY($3::text[]))
ORDER BY declaration_id
FOR NO KEY UPDATE
"""
# A statement of its own: one that waits for a correction does not see the word it brings.
_SAID = """
SELECT w.declaration_id, w.cipher
FROM unnest($2::uuid[], $3::int[]) AS d(declaration_id, revision)
JOIN declaration_word w
  ON w.hub_id = $1 AND w.declaration_id = d.declaration_id AND w.revision = d.revision
"""
_BIND = """
UPDATE declaration d SET presented_at = b.at, screening_id = b.screening_id,
    person_id = coalesce(d.person_id, b.person_id)
FROM jsonb_to_recordset($2::jsonb) AS b(
    declaration_id uuid, screening_id uuid, person_id uuid, at timestamptz)
WHERE d.hub_id = $1 AND d.declaration_id = b.declaration_id
"""


class EndableVisit(Protocol):
    """A passage, as far as it matters whether it has ended."""

    @property
    def state(self) -> ScreeningState: ...


@dataclass(frozen=True, slots=True)
class _Known:
    """A declaration as it was found, and whom it has counted for."""

    declaration_id: UUID
    said_at: datetime
    source: str
    reminded: bool
    answers: Answers
    person_id: UUID | None
    screening_id: UUID | None


class Presented:
    """The declarations that the checks of one batch show."""

    def __init__(self, by_code: Mapping[str, _Known]) -> None:
        """`by_code`: by the code that was shown."""
        self._known = dict(by_code)
        self.shown: dict[UUID, PresentedDeclaration] = {}
        """By check."""
        self._bound: dict[UUID, dict[str, object]] = {}

    def named(self, check: GateCheck) -> GateCheck:
        """The check as one of the passage the declaration belongs to, if nobody knows whose.

        Whoever came to the desk without a document has nothing but the slip.
        """
        found = self._known.get(check.pass_code) if check.pass_code else None
        if found is None or found.person_id is not None or check.screening_id is not None:
            return check
        return replace(check, screening_id=found.screening_id)

    def joined(
        self, check: GateCheck, situation: Situation, touched: Mapping[UUID, EndableVisit]
    ) -> GateCheck:
        """The check with what the declaration says, if it counts for this person.

        `touched`: the passages of this batch as they stand after the checks before.
        """
        if check.pass_code is None:
            return check
        found = self._known.get(check.pass_code)
        check = self.named(check)  # a check before may have been the first to show it
        standing = _standing(found, check, situation, touched)
        if found is None or standing is not DeclarationStatus.COUNTED:
            self.shown[check.id] = PresentedDeclaration(standing)
            return replace(check, evidence=check.evidence | {"pass": {"standing": standing}})
        self.shown[check.id] = PresentedDeclaration(standing, found.answers.help)
        return _with(check, found)

    def bind(self, check: GateCheck, screening_id: UUID, person_id: UUID | None) -> None:
        """Note for whom a check was stored: it counts from now on for nobody else."""
        if (
            check.pass_code is None
            or self.shown[check.id].standing is not DeclarationStatus.COUNTED
        ):
            return
        found = self._known[check.pass_code]
        if found.screening_id is not None and (found.person_id or person_id is None):
            return
        person_id = found.person_id or person_id
        bound = replace(found, screening_id=screening_id, person_id=person_id)
        for code, known in self._known.items():
            if known.declaration_id == found.declaration_id:
                self._known[code] = bound
        self._bound[found.declaration_id] = {
            "declaration_id": found.declaration_id,
            "screening_id": screening_id,
            "person_id": person_id,
            "at": check.received_at,
        }

    @property
    def bound(self) -> Sequence[Mapping[str, object]]:
        """What is to be written: for whom which declaration counted first."""
        return list(self._bound.values())


NOBODYS = Presented({})


def _standing(
    match: _Known | None,
    check: GateCheck,
    situation: Situation,
    touched: Mapping[UUID, EndableVisit],
) -> DeclarationStatus:
    if match is None:
        return DeclarationStatus.UNKNOWN
    if check.moment > match.said_at + GOOD_FOR:
        return DeclarationStatus.EXPIRED
    people = {situation.person_id, *situation.about.kin} - {None}
    if match.person_id is not None and people:
        mine = match.person_id in people
    elif match.screening_id is not None:
        mine = match.screening_id in _passages(check, situation, touched)
    else:
        mine = True
    return DeclarationStatus.COUNTED if mine else DeclarationStatus.OTHERS


def _passages(
    check: GateCheck, situation: Situation, touched: Mapping[UUID, EndableVisit]
) -> set[UUID]:
    """The passages a check may be part of; one of nobody known ends with its end."""
    here = {situation.known.screening_id} if situation.known else set[UUID]()
    read = (one for one in (situation.named, situation.latest) if one)
    earlier: dict[UUID, EndableVisit] = {one.screening_id: one for one in read}
    if (named := check.screening_id) and named in touched:
        earlier[named] = touched[named]
    return here | {of for of, one in earlier.items() if not touched.get(of, one).state.terminal}


def _with(check: GateCheck, match: _Known) -> GateCheck:
    """What was declared joins what the check itself claims: neither lowers the other."""
    said = match.answers
    declared = Claims(
        declared=True,
        symptoms=said.symptoms,
        contact=said.contact,
        fever_medicine=said.fever_medicine,
    )
    claims = (check.brought.claims or NOTHING).joined(declared, late=False)
    reminders = check.brought.reminders
    if match.reminded:
        reminders |= {ReminderKind.R1}
    told = {
        "symptoms": sorted(claims.symptoms),
        "contact": claims.contact.value,
        "fever_medicine": claims.fever_medicine,
        "source": match.source,
    }
    shown = {"standing": DeclarationStatus.COUNTED.value, "help": said.help}
    return replace(
        check,
        brought=replace(check.brought, claims=claims, reminders=reminders),
        evidence=check.evidence | {"declaration": told, "pass": shown},
    )


async def read(
    tx: Transaction, keys: KeyFiles, hub_id: str, checks: Sequence[GateCheck]
) -> Presented:
    """The declarations these checks show. Two statements, none where they show none.

    Raises `MasterUnavailable`. One whose key is destroyed is as unknown as one never made.
    """
    shown = {check.pass_code for check in checks if check.pass_code is not None}
    if not shown:
        return NOBODYS
    short = [code for code in shown if codes.is_short(code)]
    by_digest = {codes.pass_digest(code): code for code in shown}
    rows = await tx.raw.fetch(_LOCK, hub_id, list(by_digest), short)
    place = [row[0] for row in rows], [row[2] for row in rows]
    words = await tx.raw.fetch(_SAID, hub_id, *place) if rows else []
    said: dict[UUID, bytes] = {of: cipher for of, cipher in words}  # noqa: C416 # of records
    known: dict[str, _Known] = {}
    for row in rows:
        declaration_id, day, revision, said_at, source, reminded = row[:6]
        person_id, screening_id, digest, short_code = row[6:]
        try:
            key = await keys.open(day_key(cast("date", day)), OBTAIN_S)
            answers = store.opened(key, hub_id, declaration_id, revision, said[declaration_id])
        except KeyDestroyed:
            continue
        one = _Known(
            declaration_id, said_at, source, reminded, answers, person_id, screening_id
        )
        for code in (by_digest.get(digest), short_code if short_code in shown else None):
            if code is not None:
                known[code] = one
    return Presented(known)


async def write(tx: Transaction, hub_id: str, presented: Presented) -> None:
    """Keep for whom each declaration counted first. One statement, none without any."""
    if presented.bound:
        from_these = [dict(one) for one in presented.bound]
        await tx.raw.execute(_BIND, hub_id, as_json(from_these))
