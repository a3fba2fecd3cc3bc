"""Trust lists on their way in: what is offered, what of it is believed, what that changes.

Lists come as they are found in the field, so each entry is judged by itself and what cannot be
used is told, by reason. A key that is no longer offered stays as removed: no longer trusted is
another answer than never heard of. What is kept is our own document, which the hub signs.
"""

import json
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, cast

from twinstile.credentials import certificates
from twinstile.credentials.certificates import Certificate, UnusableKey
from twinstile.credentials.trust import (
    NOTHING_DENIED,
    Denied,
    Domain,
    HashType,
    Slice,
    TrustedKey,
    TrustList,
    by_kid,
)
from twinstile.credentials.types import EvidenceKind

SCHEMA: Final = 1
_BY_JWK: Final = frozenset({Domain.SHC})
MOST_NAMESAKES: Final = 8
"""Authorities of one name: states renew theirs, and each is tried on every key under it."""

Revoked = Mapping[bytes, Mapping[HashType, Slice]]
RevokedCards = Mapping[bytes, Mapping[str, float | None]]


@dataclass(frozen=True, slots=True)
class ListedKey:
    """One key as a list offers it: a certificate (DER in base64), or a key as JSON has it."""

    domain: Domain
    issuer: str | None
    certificate: str | None
    jwk: Mapping[str, object] | None
    vouching: str | None = None
    """Who signed the list it stands on, if the house has their key: its SHA-256, hex."""


@dataclass(frozen=True, slots=True)
class OfferedList:
    """A list as somebody brings it. `authorities` are certificates that vouch for signers."""

    version: int
    issued_at: datetime
    not_after: datetime
    entries: Sequence[ListedKey]
    authorities: Sequence[str]
    revoked: Revoked = field(default_factory=dict[bytes, Mapping[HashType, Slice]])
    revoked_cards: RevokedCards = field(default_factory=dict[bytes, Mapping[str, float | None]])
    denied: Denied = NOTHING_DENIED
    """What this house refuses."""
    given_back: Denied = NOTHING_DENIED
    """Of what was denied before, what no longer is."""

    def free(self, before: Denied) -> Denied:
        """What was denied before and is not after this list; denied again wins."""
        back, now = self.given_back, self.denied
        return Denied(
            before.kids & back.kids - now.kids, before.hashes & back.hashes - now.hashes
        )


@dataclass(frozen=True, slots=True)
class Believed:
    """What of an offer can be used."""

    keys: tuple[TrustedKey, ...]
    refused: Mapping[str, int]
    """How many entries, by reason."""
    unvouched: frozenset[bytes]
    """Ids of keys that no authority of the list has signed."""
    authorities: frozenset[str]
    """SHA-256 of their certificates, hex; of whoever signs a directory, of their key."""


def believe(offer: OfferedList) -> Believed:
    """Every usable key of an offer, once."""
    refused = Counter[str]()
    vouching: dict[bytes, list[Certificate]] = {}
    authorities: set[str] = set()
    for text in offer.authorities:
        if (one := _authority(text, refused)) is None:
            continue
        named = vouching.setdefault(one.subject, [])
        if len(named) < MOST_NAMESAKES:
            named.append(one)
            authorities.add(one.sha256.hex())
        else:
            refused["too many authorities of one name"] += 1
    keys: dict[Identity, TrustedKey] = {}
    unvouched: set[bytes] = set()
    for entry in offer.entries:
        try:
            key, vouched = _key(entry, vouching)
        except (UnusableKey, ValueError) as error:
            refused[str(error) if isinstance(error, UnusableKey) else "no base64"] += 1
            continue
        keys.setdefault(identity(key), key)
        if not vouched:
            unvouched.add(key.kid)
        elif entry.vouching is not None:
            authorities.add(entry.vouching)
    return Believed(
        tuple(keys.values()), dict(refused), frozenset(unvouched), frozenset(authorities)
    )


def _authority(text: str, refused: Counter[str]) -> Certificate | None:
    try:
        found = certificates.read(b64decode(text, validate=True))
    except (UnusableKey, ValueError):
        refused["no authority's certificate"] += 1
        return None
    return found if found.authority else None


def _key(
    entry: ListedKey, vouching: Mapping[bytes, Sequence[Certificate]]
) -> tuple[TrustedKey, bool]:
    if entry.domain in _BY_JWK:
        if entry.jwk is None:
            raise UnusableKey("a card issuer's key comes as JSON")
        key = certificates.of_card_issuer(entry.jwk, entry.issuer or "")
        return key, entry.vouching is not None
    if entry.certificate is None:
        raise UnusableKey("no certificate")
    found = certificates.read(b64decode(entry.certificate, validate=True))
    make = certificates.authority if entry.domain is Domain.VDS_NC else None
    key = (
        make(found, entry.issuer)
        if make
        else certificates.signer(found, entry.domain, entry.issuer)
    )
    vouched = any(
        certificates.issued_by(found, one.spki) for one in vouching.get(found.issuer, ())
    )
    return key, vouched


def follow(offer: OfferedList, believed: Believed, before: TrustList | None) -> TrustList:
    """The list that the offer makes of the one before; versions are for others to see to."""
    named = {identity(key) for key in believed.keys}
    old = [key for held in before.keys.values() for key in held] if before else []
    gone = [replace(key, removed=True) for key in old if identity(key) not in named]
    return TrustList(
        version=offer.version,
        issued_at=offer.issued_at,
        not_after=offer.not_after,
        keys=by_kid((*believed.keys, *gone)),
        revoked=offer.revoked,
        revoked_cards=offer.revoked_cards,
        denied=_denied(offer, before.denied if before else NOTHING_DENIED),
    )


def _denied(offer: OfferedList, before: Denied) -> Denied:
    now, free = offer.denied, offer.free(before)
    return Denied(before.kids - free.kids | now.kids, before.hashes - free.hashes | now.hashes)


Identity = tuple[Domain, bytes, bytes, str]


def identity(key: TrustedKey) -> Identity:
    """What makes it the same key on two lists."""
    return key.domain, key.kid, key.spki, key.issuer


def written(listed: TrustList, authorities: frozenset[str]) -> str:
    """The list as it is signed, sent to tablets and read again."""
    keys = sorted(
        (key for held in listed.keys.values() for key in held),
        key=lambda key: (key.domain, key.kid, key.spki),
    )
    document = {
        "schema": SCHEMA,
        "version": listed.version,
        "issued_at": listed.issued_at.isoformat(),
        "not_after": listed.not_after.isoformat(),
        "authorities": sorted(authorities),
        "denied": {
            "kids": _encoded(listed.denied.kids),
            "hashes": _encoded(listed.denied.hashes),
        },
        "revoked": {
            b64encode(kid).decode(): {
                str(kind.value): b64encode(held.joined).decode()
                for kind, held in sorted(kinds.items())
            }
            for kid, kinds in sorted(listed.revoked.items())
        },
        "revoked_cards": {
            kid.decode(): dict(ids) for kid, ids in sorted(listed.revoked_cards.items())
        },
        "keys": [
            {
                "kid": b64encode(key.kid).decode(),
                "spki": b64encode(key.spki).decode(),
                "domain": key.domain,
                "issuer": key.issuer,
                "kinds": None if key.kinds is None else sorted(key.kinds),
                "not_before": key.not_before and key.not_before.isoformat(),
                "not_after": key.not_after and key.not_after.isoformat(),
                "removed": key.removed,
            }
            for key in keys
        ],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _encoded(values: Iterable[bytes]) -> list[str]:
    return sorted(b64encode(one).decode() for one in values)


def read(document: str) -> TrustList:
    """A list from what `written` made; its signature has been looked at."""
    told = cast("Mapping[str, object]", json.loads(document))
    keys = cast("Sequence[Mapping[str, object]]", told["keys"])
    denied = cast("Mapping[str, Sequence[str]]", told["denied"])
    cards = cast("Mapping[str, Mapping[str, float | None]]", told["revoked_cards"])
    return TrustList(
        version=cast("int", told["version"]),
        issued_at=_moment(told["issued_at"]),
        not_after=_moment(told["not_after"]),
        keys=by_kid(map(_read_key, keys)),
        revoked={
            b64decode(kid): {
                HashType(int(kind)): Slice(b64decode(joined)) for kind, joined in kinds.items()
            }
            for kid, kinds in cast("Mapping[str, Mapping[str, str]]", told["revoked"]).items()
        },
        revoked_cards={kid.encode(): ids for kid, ids in cards.items()},
        denied=Denied(*(frozenset(map(b64decode, denied[one])) for one in ("kids", "hashes"))),
    )


def authorities(document: str) -> frozenset[str]:
    """Who vouched for the signers of that list."""
    told = cast("Mapping[str, Sequence[str]]", json.loads(document))
    return frozenset(told["authorities"])


def _read_key(payload: Mapping[str, object]) -> TrustedKey:
    kinds = cast("Sequence[str] | None", payload["kinds"])
    begins, ends = payload["not_before"], payload["not_after"]
    return TrustedKey(
        kid=b64decode(str(payload["kid"])),
        spki=b64decode(str(payload["spki"])),
        domain=Domain(str(payload["domain"])),
        issuer=str(payload["issuer"]),
        kinds=None if kinds is None else frozenset(map(EvidenceKind, kinds)),
        not_before=_moment(begins) if begins else None,
        not_after=_moment(ends) if ends else None,
        removed=payload["removed"] is True,
    )


def _moment(text: object) -> datetime:
    return datetime.fromisoformat(str(text)).astimezone(UTC)
