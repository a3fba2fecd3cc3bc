"""Links for those outside: a secret of 128 random bits, for one thing, for a while.

Whoever holds one may be anybody; so it opens one question about one case and shows no name. The
secret is shown once and kept as its SHA-256. A new one ends the one before.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import exists, func, insert, select, update
from sqlalchemy.orm import aliased
from uuid_utils.compat import uuid7

from twinstile.cases.steps import LockedCase
from twinstile.cases.tables import CaseLink, FeverCase
from twinstile.cases.types import LinkKind
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.db.tables import Closure
from twinstile.platform.http.problems import NotFound
from twinstile.platform.keys.ciphers import token_digest
from twinstile.platform.security.auth import Principal

SECRET_BYTES: Final = 16
PATTERN: Final = r"^[a-z0-9][a-z0-9-]{1,30}\.[A-Za-z0-9_-]{22}$"
LONGEST: Final = 54
OUTLIVE_THE_CASE: Final = frozenset({LinkKind.HANDOVER})
"""A receiver may sign for somebody whose case went on without their word."""


class NoSuchLink(NotFound):
    """Unknown and expired are told alike."""

    slug = "no-such-link"
    title = "This link does not open anything, or not any more"


@dataclass(frozen=True, slots=True)
class CapabilityLink:
    """A new link. `token` is shown once."""

    link_id: UUID
    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class LinkTarget:
    """What a link opens."""

    hub_id: str
    case_id: UUID
    subject_id: UUID
    expires_at: datetime


async def issue(
    tx: Transaction,
    who: Principal,
    case: LockedCase,
    kind: LinkKind,
    subject_id: UUID,
    at: datetime,
    lasts: timedelta,
) -> CapabilityLink:
    """A new link to that; the one before opens nothing any more."""
    await revoke(tx, case, kind, at)
    token = f"{case.hub_id}.{secrets.token_urlsafe(SECRET_BYTES)}"
    link = CapabilityLink(uuid7(), token, at + lasts)
    await tx.sql.execute(
        insert(CaseLink).values(
            hub_id=case.hub_id,
            link_id=link.link_id,
            case_id=case.case_id,
            kind=kind.value,
            subject_id=subject_id,
            secret_hash=token_digest(token),
            created_at=at,
            expires_at=link.expires_at,
            device_id=who.device_id,
            operator_id=who.operator_id,
        )
    )
    return link


async def revoke(tx: Transaction, case: LockedCase, kind: LinkKind, at: datetime) -> None:
    """The links of that kind to a case open nothing from now on."""
    await tx.sql.execute(
        update(CaseLink)
        .where(
            CaseLink.hub_id == case.hub_id,
            CaseLink.case_id == case.case_id,
            CaseLink.kind == kind.value,
            CaseLink.expires_at > at,
        )
        .values(expires_at=at)
    )


async def resolve(tx: Reading, kind: LinkKind, token: str, at: datetime) -> LinkTarget:
    """What the holder of a token may see. Raises `NoSuchLink`, also at a hub that is closed."""
    hub_id = token.partition(".")[0]
    wanted = [
        CaseLink.hub_id == hub_id,
        CaseLink.secret_hash == token_digest(token),
        CaseLink.kind == kind.value,
        CaseLink.expires_at > at,
        ~exists().where(Closure.hub_id == CaseLink.hub_id),
    ]
    if kind not in OUTLIVE_THE_CASE:
        wanted.append(FeverCase.closed_at.is_(None))
    # a patient's link leads to the case that goes on with theirs
    given = aliased(FeverCase)
    goes_on = given.case_id
    if kind not in OUTLIVE_THE_CASE:
        goes_on = func.coalesce(given.followed_by, given.case_id)
    found = await tx.sql.execute(
        select(FeverCase.case_id, CaseLink.subject_id, CaseLink.expires_at)
        .join(given, (given.hub_id == CaseLink.hub_id) & (given.case_id == CaseLink.case_id))
        .join(FeverCase, (FeverCase.hub_id == given.hub_id) & (FeverCase.case_id == goes_on))
        .where(*wanted)
    )
    row = found.one_or_none()
    if row is None:
        raise NoSuchLink
    case_id, subject_id, expires_at = row
    return LinkTarget(hub_id, case_id, subject_id, expires_at)
