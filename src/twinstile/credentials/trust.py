"""The keys that are believed, and what has been revoked: one snapshot, held in memory.

A key is looked for by its id, and ids may collide, so an id leads to every key that has it.
A key that was taken off the list stays as `removed`, so that "never heard of" (perhaps the
list is old) and "no longer trusted" are different answers.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final

from twinstile.credentials.types import EvidenceKind, Freshness

AGING_AFTER: Final = timedelta(hours=24)
OLD_AFTER: Final = timedelta(hours=72)
HASH_BYTES: Final = 16
"""Of a SHA-256, as the EU's revocation lists cut it."""


class Domain(StrEnum):
    """What a key is trusted for: a key of one domain signs nothing of another."""

    EU_DCC = "EU_DCC"
    DDCC = "DDCC"
    ICVP = "ICVP"
    SHC = "SHC"
    VDS_NC = "VDS_NC"
    """Country signing authorities; the seal itself brings its signer's certificate."""


class HashType(IntEnum):
    """What an EU revocation entry is the hash of (dgca-revocation-distribution-service)."""

    SIGNATURE = 0x0A  # for ES256 of r alone: (r, n - s) is as good a signature
    UCI = 0x0B
    COUNTRY_CODE_UCI = 0x0C


@dataclass(frozen=True, slots=True)
class TrustedKey:
    kid: bytes
    """DCC and GDHCN: eight bytes; SHC: the thumbprint's text; VDS-NC: the authority's
    subject key identifier."""
    spki: bytes = field(repr=False)
    """DER SubjectPublicKeyInfo."""
    domain: Domain
    issuer: str
    """State, two or three letters as the list has them; SHC: the address of the issuer."""
    kinds: frozenset[EvidenceKind] | None = None
    """What it may sign; None: everything of its domain."""
    not_before: datetime | None = None
    not_after: datetime | None = None
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """Hashes of one kid and type as `digest` makes them, sorted and joined: exact and small."""

    joined: bytes = field(repr=False)

    @classmethod
    def of(cls, hashes: Iterable[bytes]) -> "Slice":
        return cls(b"".join(sorted({one[:HASH_BYTES] for one in hashes})))

    def __len__(self) -> int:
        return len(self.joined) // HASH_BYTES

    def hashes(self) -> frozenset[bytes]:
        """Each of them."""
        places = range(0, len(self.joined), HASH_BYTES)
        return frozenset(self.joined[at : at + HASH_BYTES] for at in places)

    def __contains__(self, digest: bytes) -> bool:
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            at = middle * HASH_BYTES
            if self.joined[at : at + HASH_BYTES] < digest:
                low = middle + 1
            else:
                high = middle
        return self.joined.startswith(digest, low * HASH_BYTES) and low < len(self)


@dataclass(frozen=True, slots=True)
class Denied:
    """What this house refuses whatever lists say; survives every new list."""

    kids: frozenset[bytes] = frozenset()
    hashes: frozenset[bytes] = field(default=frozenset(), repr=False)
    """Of a signature's r (else of all of it) or a certificate's id, see `digest`."""


NOTHING_DENIED: Final = Denied()


_NO_OTHER: Final = frozenset[bytes]()


@dataclass(frozen=True, slots=True, eq=False)
class TrustList:
    """One snapshot. Versions only rise; who activates them sees to that."""

    version: int
    issued_at: datetime
    not_after: datetime
    keys: Mapping[bytes, Sequence[TrustedKey]] = field(repr=False)
    revoked: Mapping[bytes, Mapping[HashType, Slice]] = field(
        default_factory=dict[bytes, Mapping[HashType, Slice]], repr=False
    )
    """By kid."""
    revoked_cards: Mapping[bytes, Mapping[str, float | None]] = field(
        default_factory=dict[bytes, Mapping[str, float | None]], repr=False
    )
    """SMART Health Cards: kid → revocation id → None, or the second (since 1970) before which
    cards issued under that id are revoked."""
    denied: Denied = NOTHING_DENIED
    _also: Mapping[bytes, frozenset[bytes]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_also", _several(self.keys))

    def ids(self, key: TrustedKey) -> frozenset[bytes]:
        """Every id that leads to this key: renewed certificates keep theirs.

        Which of them a code names may be whoever shows it to choose (COSE does not sign it
        where it stands in the unprotected header), so what is said of one is said of all.
        """
        return self._also.get(key.spki, _NO_OTHER) | {key.kid}

    def of(self, domains: frozenset[Domain], kid: bytes) -> list[TrustedKey]:
        """Every key of that id in those domains, removed ones too."""
        return [key for key in self.keys.get(kid, ()) if key.domain in domains]

    def freshness(self, now: datetime) -> Freshness:
        """By the list's age, and `OVER` from the moment after its end."""
        if now > self.not_after:
            return Freshness.OVER
        age = now - self.issued_at
        if age > OLD_AFTER:
            return Freshness.OLD
        return Freshness.AGING if age > AGING_AFTER else Freshness.FRESH


def by_kid(keys: Iterable[TrustedKey]) -> dict[bytes, tuple[TrustedKey, ...]]:
    """Keys as a list holds them."""
    found: dict[bytes, tuple[TrustedKey, ...]] = {}
    for key in keys:
        found[key.kid] = (*found.get(key.kid, ()), key)
    return found


def _several(keys: Mapping[bytes, Sequence[TrustedKey]]) -> dict[bytes, frozenset[bytes]]:
    """The ids of each key that has several, by the key."""
    found: dict[bytes, set[bytes]] = {}
    for kid, held in keys.items():
        for key in held:
            found.setdefault(key.spki, set()).add(kid)
    return {spki: frozenset(kids) for spki, kids in found.items() if len(kids) > 1}


def digest(content: bytes) -> bytes:
    """As revocation lists and the deny-list name a signature or an id."""
    return hashlib.sha256(content).digest()[:HASH_BYTES]
