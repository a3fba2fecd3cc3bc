"""Partners: entered by an administrator, let in by client credentials (RFC 6749, section 4.4).

A secret and an access token are 256 random bits each, stored as SHA-256. A partner knows its
subjects under pseudonyms of its own, made with a key that lies with the hub's keys.
"""

import hmac
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import delete, insert, select, update

from twinstile.platform.db.database import Database, Reading, Transaction
from twinstile.platform.http.problems import NotFound, Unauthenticated
from twinstile.platform.keys.ciphers import keyed_digest, token_digest
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.ops import clock
from twinstile.platform.security.auth import Principal, TokenKind, mint_token
from twinstile.sharing import tables
from twinstile.sharing.tables import Grant, PartnerToken
from twinstile.sharing.types import ChangeType, Partner, PartnerKind

TOKEN_LIFE = timedelta(minutes=15)
TOKENS_A_PARTNER = 20
"""Living tokens; the next one takes the place of the oldest."""
REMEMBER_S = 2.0
"""How long a token's partner is remembered: shutting one out takes effect within this time."""
REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Entered:
    """A partner as an administrator sees it."""

    partner_id: UUID
    name: str
    kind: PartnerKind
    grants: Mapping[ChangeType, Sequence[str]]
    created_at: datetime
    secret_at: datetime
    disabled_at: datetime | None


def client_id(hub_id: str, partner_id: UUID) -> str:
    """What the partner calls itself by."""
    return f"{hub_id}.{partner_id}"


async def add(
    tx: Transaction,
    who: Principal,
    name: str,
    kind: PartnerKind,
    grants: Mapping[ChangeType, Sequence[str]],
    at: datetime,
) -> tuple[UUID, str]:
    """Enter a partner; its id and its secret, which exists nowhere else in clear."""
    partner_id, secret = uuid4(), secrets.token_urlsafe(32)
    await tx.sql.execute(
        insert(tables.PartnerSystem).values(
            hub_id=who.hub_id,
            partner_id=partner_id,
            name=name,
            kind=kind.value,
            secret_hash=token_digest(secret),
            created_at=at,
            secret_at=at,
        )
    )
    await tx.sql.execute(
        insert(Grant),
        [
            {
                "hub_id": who.hub_id,
                "partner_id": partner_id,
                "type": type_.value,
                "fields": sorted(set(fields)),
            }
            for type_, fields in grants.items()
        ],
    )
    await _tell(tx, who, "partner.added", partner_id, at)
    return partner_id, secret


async def rotate(tx: Transaction, who: Principal, partner_id: UUID, at: datetime) -> str:
    """A new secret; the old one and every token end now. Raises `NotFound`."""
    secret = secrets.token_urlsafe(32)
    await _change(tx, who, partner_id, secret_hash=token_digest(secret), secret_at=at)
    await _tell(tx, who, "partner.secret-changed", partner_id, at)
    return secret


async def disable(tx: Transaction, who: Principal, partner_id: UUID, at: datetime) -> None:
    """Shut a partner out for good. Raises `NotFound`."""
    await _change(tx, who, partner_id, disabled_at=at)
    await _tell(tx, who, "partner.disabled", partner_id, at)


async def _change(tx: Transaction, who: Principal, partner_id: UUID, **values: object) -> None:
    mine = tables.PartnerSystem
    changed = await tx.sql.execute(
        update(mine)
        .where(
            mine.hub_id == who.hub_id, mine.partner_id == partner_id, mine.disabled_at.is_(None)
        )
        .values(values)
        .returning(mine.partner_id)
    )
    if changed.one_or_none() is None:
        raise NotFound("There is no such partner.")
    await tx.sql.execute(
        delete(PartnerToken).where(
            PartnerToken.hub_id == who.hub_id, PartnerToken.partner_id == partner_id
        )
    )


async def _tell(
    tx: Transaction, who: Principal, kind: str, partner_id: UUID, at: datetime
) -> None:
    told = Event(who.hub_id, kind, partner_id, at, {}, who.device_id, who.operator_id)
    await events.append(tx, [told])


async def listed(tx: Reading, hub_id: str) -> list[Entered]:
    """Every partner of the hub, those shut out included."""
    grants = await _grants(tx, hub_id, None)
    mine = tables.PartnerSystem
    found = await tx.sql.execute(
        select(
            mine.partner_id,
            mine.name,
            mine.kind,
            mine.created_at,
            mine.secret_at,
            mine.disabled_at,
        )
        .where(mine.hub_id == hub_id)
        .order_by(mine.created_at, mine.partner_id)
        .limit(500)
    )
    return [
        Entered(
            partner_id,
            name,
            PartnerKind(kind),
            grants.get(partner_id, {}),
            created_at,
            secret_at,
            disabled_at,
        )
        for partner_id, name, kind, created_at, secret_at, disabled_at in found
    ]


async def _grants(
    tx: Reading, hub_id: str, partner_id: UUID | None
) -> dict[UUID, dict[ChangeType, Sequence[str]]]:
    chosen = Grant.partner_id == partner_id if partner_id else Grant.hub_id == hub_id
    found = await tx.sql.execute(
        select(Grant.partner_id, Grant.type, Grant.fields)
        .where(Grant.hub_id == hub_id, chosen)
        .order_by(Grant.type)
    )
    grants: dict[UUID, dict[ChangeType, Sequence[str]]] = {}
    for owner, type_, fields in found:
        grants.setdefault(owner, {})[ChangeType(type_)] = fields
    return grants


async def issue(tx: Transaction, client: str, secret: str, at: datetime) -> str | None:
    """An access token for these credentials; None when they do not fit."""
    hub_id, _, name = client.rpartition(".")
    try:
        partner_id = UUID(name)
    except ValueError:
        partner_id = UUID(int=0)
    mine = tables.PartnerSystem
    found = await tx.sql.execute(
        select(mine.secret_hash)
        .where(mine.hub_id == hub_id, mine.partner_id == partner_id, mine.disabled_at.is_(None))
        # a secret that is being changed is waited for: its tokens are deleted with it
        .with_for_update(read=True)
    )
    stored = found.scalar_one_or_none()
    fits = hmac.compare_digest(stored or bytes(32), token_digest(secret))
    if stored is None or not fits:
        return None
    token = mint_token(TokenKind.PARTNER, hub_id)
    await _make_room(tx, hub_id, partner_id, at)
    await tx.sql.execute(
        insert(PartnerToken).values(
            hub_id=hub_id,
            token_hash=token_digest(token),
            partner_id=partner_id,
            expires_at=at + TOKEN_LIFE,
        )
    )
    return token


async def _make_room(tx: Transaction, hub_id: str, partner_id: UUID, at: datetime) -> None:
    mine = (PartnerToken.hub_id == hub_id, PartnerToken.partner_id == partner_id)
    newest = (
        select(PartnerToken.token_hash)
        .where(*mine, PartnerToken.expires_at > at)
        .order_by(PartnerToken.expires_at.desc())
        .limit(TOKENS_A_PARTNER - 1)
    )
    await tx.sql.execute(
        delete(PartnerToken).where(*mine, PartnerToken.token_hash.not_in(newest))
    )


class Doorkeeper:
    """Turns access tokens into partners and remembers them for a moment."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[bytes, tuple[float, Partner]] = {}

    async def partner(self, token: str) -> Partner:
        """The partner behind the token. Raises `Unauthenticated`."""
        digest, moment = token_digest(token), time.monotonic()
        known = self._known.get(digest)
        if known and known[0] > moment:
            return known[1]
        partner = await self._look_up(token, digest)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[digest] = (moment + REMEMBER_S, partner)
        return partner

    def forget(self) -> None:
        """Drop what is remembered: a revocation counts at once in this process."""
        self._known.clear()

    async def _look_up(self, token: str, digest: bytes) -> Partner:
        hub_id = token.split(".")[1]
        async with self._database.reading() as tx:
            found = await tx.sql.execute(
                select(tables.PartnerSystem.partner_id, tables.PartnerSystem.kind)
                .join(
                    PartnerToken,
                    (PartnerToken.hub_id == tables.PartnerSystem.hub_id)
                    & (PartnerToken.partner_id == tables.PartnerSystem.partner_id),
                )
                .where(
                    PartnerToken.hub_id == hub_id,
                    PartnerToken.token_hash == digest,
                    PartnerToken.expires_at > clock.now(),
                    tables.PartnerSystem.disabled_at.is_(None),
                )
            )
            row = found.one_or_none()
            if row is None:
                raise Unauthenticated
            partner_id, kind = row
            grants = (await _grants(tx, hub_id, partner_id)).get(partner_id, {})
        return Partner(
            hub_id,
            partner_id,
            PartnerKind(kind),
            {type_: frozenset(fields) for type_, fields in grants.items()},
        )


async def pseudonym_key(keys: KeyFiles, partner_id: UUID) -> bytes:
    """The key that makes this partner's pseudonyms. Raises `KeyUnavailable`."""
    return await keys.obtain(f"partner.{partner_id}")


def pseudonym(key: bytes, subject: UUID) -> str:
    """The partner's own name of a subject: 128 bits of an HMAC, in hex."""
    return keyed_digest(key, "subject", subject.bytes)[:16].hex()
