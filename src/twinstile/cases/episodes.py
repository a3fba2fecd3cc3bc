"""One episode of illness of one person: its open case, and the cases that became part of it."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, func, select
from sqlalchemy.orm import aliased

from twinstile.cases.tables import CaseMerge, FeverCase
from twinstile.identity import links
from twinstile.platform.db.database import Reading, Transaction

MERGED: Final = "case.merged"
SEPARATED: Final = "case.separated"


async def case_ids(tx: Reading, hub_id: str, case_id: UUID) -> list[UUID]:
    """A case and those that were merged into it, directly or not: its history is of all."""
    found = await tx.sql.execute(
        select(FeverCase.case_id).where(
            FeverCase.followed_by == case_id, FeverCase.hub_id == hub_id
        )
    )
    return [case_id, *found.scalars()]


async def current_person(tx: Reading, hub_id: str, case_id: UUID) -> UUID | None:
    """Who the patient of a case is by now, of the one that goes on; None: nobody knows."""
    given = aliased(FeverCase)
    found = await tx.sql.execute(
        select(FeverCase.person_id)
        .join(
            given,
            (given.hub_id == FeverCase.hub_id)
            & (func.coalesce(given.followed_by, given.case_id) == FeverCase.case_id),
        )
        .where(given.hub_id == hub_id, given.case_id == case_id)
    )
    return found.scalar_one_or_none()


async def merges(tx: Reading, hub_id: str, case_ids: Sequence[UUID]) -> list[RowMapping]:
    """What was merged into these cases, and these into others; the earliest first."""
    found = await tx.sql.execute(
        select(CaseMerge.__table__, FeverCase.case_no)
        .join(
            FeverCase,
            (FeverCase.hub_id == CaseMerge.hub_id) & (FeverCase.case_id == CaseMerge.case_id),
        )
        .where(
            CaseMerge.hub_id == hub_id,
            CaseMerge.case_id.in_(case_ids) | CaseMerge.into_id.in_(case_ids),
        )
        .order_by(CaseMerge.merged_at, CaseMerge.case_id)
        .limit(100)
    )
    return list(found.mappings())


# Everybody is asked for by the key they had: who has no link is found by their own id.
_REKEY = f"""
UPDATE fever_case c SET episode_of = k.first
FROM unnest($2::uuid[]) AS of(person_id), LATERAL (
    SELECT f.case_id, {
    links.FIRST_OF_SQL.format(kin=links.KIN_SQL.format(hub="$1", person="f.person_id"))
} AS first
    FROM fever_case f
    WHERE f.hub_id = $1 AND f.episode_of = of.person_id AND f.closed_at IS NULL LIMIT 1
) k
WHERE c.hub_id = $1 AND c.case_id = k.case_id AND c.episode_of <> k.first
"""  # noqa: S608 # fragments of ours


async def rekey(tx: Transaction, hub_id: str, people: Sequence[UUID]) -> None:
    """These people are not all one any more: let the open case be that of its own person."""
    await tx.raw.execute(_REKEY, hub_id, people)


_ASTRAY = f"""
SELECT c.case_id, c.person_id FROM fever_case c
WHERE c.hub_id = $1 AND c.closed_at IS NULL AND c.person_id IS NOT NULL
  AND c.episode_of IS DISTINCT FROM {
    links.FIRST_OF_SQL.format(kin=links.KIN_SQL.format(hub="$1", person="c.person_id"))
}
LIMIT 500
"""  # noqa: S608 # fragments of ours


async def mismatched_cases(tx: Reading, hub_id: str) -> list[tuple[UUID, UUID]]:
    """Open cases, with their person, that are not under the key of their kin."""
    return [(row[0], row[1]) for row in await tx.raw.fetch(_ASTRAY, hub_id)]
