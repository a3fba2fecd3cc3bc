"""What a source told, read strictly where it takes something back, by entries where it adds.

A key that cannot be used is left out and counted, as on every list. A revocation that cannot be
read refuses the whole: left out, it would make what was revoked valid.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydantic import BaseModel, Field, JsonValue, ValidationError

from twinstile.credentials.sources import signatures
from twinstile.credentials.sources.settings import ConfiguredSource
from twinstile.credentials.trust import Domain
from twinstile.credentials.trusting.bodies import MOST_KEYS, TrustListBody
from twinstile.credentials.trusting.snapshots import ListedKey, Revoked, RevokedCards

_RID: Final = re.compile(r"([A-Za-z0-9_-]{1,24})(?:\.(\d{1,12}))?", re.ASCII)


class SourceFault(Exception):
    """A source gave nothing of use; `reason` is a word of ours."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason: str = reason


@dataclass(frozen=True, slots=True)
class SourcePart:
    """What one source told."""

    issued_at: datetime | None
    """By its own word: it never goes back."""
    not_after: datetime | None
    entries: tuple[ListedKey, ...]
    authorities: tuple[str, ...] = ()
    revoked: Revoked | None = None
    revoked_cards: RevokedCards | None = None
    """None: it never tells any."""


class _Crl(BaseModel):
    kid: str = Field(pattern=r"^[A-Za-z0-9_-]{43}$")
    method: str = Field(pattern=r"^rid$")
    rids: list[str] = Field(max_length=50_000)


class _Issuer(BaseModel):
    iss: str = Field(max_length=300)


class _Listed(BaseModel):
    issuer: _Issuer
    keys: list[dict[str, JsonValue]] = Field(max_length=100)
    crls: list[_Crl] = Field(default=[], max_length=100)


class _Directory(BaseModel):
    time: datetime
    issuerInfo: list[_Listed] = Field(min_length=1, max_length=MOST_KEYS)  # noqa: N815 # theirs


class _Keys(BaseModel):
    keys: list[dict[str, JsonValue]] = Field(min_length=1, max_length=100)


def read(source: ConfiguredSource, body: bytes, signature: bytes | None = None) -> SourcePart:
    """Raises `SourceFault`. Takes long for a long one: not for the loop that answers gates."""
    if source.signer and not signatures.holds(source.signer, signature or b"", body):
        raise SourceFault("unsigned")
    try:
        match source.told.form:
            case "list":
                return _list(source, TrustListBody.model_validate_json(body))
            case "vci":
                return _directory(source, _Directory.model_validate_json(body))
            case "jwks":
                return _key_set(source, _Keys.model_validate_json(body))
    except (ValidationError, RecursionError):
        raise SourceFault("unreadable") from None


def _list(source: ConfiguredSource, body: TrustListBody) -> SourcePart:
    offer = body.offer(1)
    if any(one.domain not in source.domains for one in offer.entries):
        raise SourceFault("other-domain")
    # what this house denies is not for others to say
    return SourcePart(
        offer.issued_at,
        offer.not_after,
        tuple(offer.entries),
        tuple(offer.authorities),
        None if source.domains <= {Domain.SHC} else offer.revoked,
        offer.revoked_cards if Domain.SHC in source.domains else None,
    )


def _directory(source: ConfiguredSource, directory: _Directory) -> SourcePart:
    vouching = hashlib.sha256(source.signer).hexdigest() if source.signer else None
    if directory.time.tzinfo is None:
        raise SourceFault("unreadable")
    entries = [
        ListedKey(Domain.SHC, one.issuer.iss, None, jwk, vouching)
        for one in directory.issuerInfo
        for jwk in one.keys
    ]
    if not entries or len(entries) > MOST_KEYS:
        raise SourceFault("unreadable")
    revoked: dict[bytes, dict[str, float | None]] = {}
    for one in directory.issuerInfo:
        for crl in one.crls:
            held = revoked.setdefault(crl.kid.encode(), {})
            for rid, until in map(_revocation, crl.rids):
                held[rid] = longer(held[rid], until) if rid in held else until
    revoked_cards: Mapping[bytes, Mapping[str, float | None]] = revoked
    at = directory.time.astimezone(UTC)
    return SourcePart(at, None, tuple(entries), revoked_cards=revoked_cards)


def _key_set(source: ConfiguredSource, key_set: _Keys) -> SourcePart:
    issuer = source.told.issuer
    entries = tuple(ListedKey(Domain.SHC, issuer, None, jwk) for jwk in key_set.keys)
    return SourcePart(None, None, entries)


def _revocation(text: str) -> tuple[str, float | None]:
    """A card's id, and the second before which cards of that id are revoked; None: all."""
    found = _RID.fullmatch(text)
    if found is None:
        raise SourceFault("revocation-unreadable")
    return found[1], float(found[2]) if found[2] else None


def longer(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else max(one, other)
