"""What a trust list changes in the one before it, and why one person alone may not do that."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from typing import Final, cast

from twinstile.credentials.trust import (
    NOTHING_DENIED,
    Domain,
    Slice,
    TrustedKey,
    TrustList,
)
from twinstile.credentials.trusting.snapshots import Believed, Identity, OfferedList, identity

LONGEST_ALONE: Final = timedelta(days=30)
"""From `issued_at` to `not_after`, of a list that one person puts in force."""
MOST_ISSUERS: Final = 300
"""That a change names one by one; those beyond are told together, by domain."""


@dataclass(frozen=True, slots=True)
class IssuerChange:
    """How many keys of one issuer change in one domain. `issuer` None: of several, together."""

    domain: Domain
    issuer: str | None
    added: int = 0
    removed: int = 0
    returned: int = 0
    denied: int = 0
    """That the list before or this one trusts, and that are refused from now on."""
    given_back: int = 0
    """That were denied, and count again."""


@dataclass(frozen=True, slots=True)
class TrustListChange:
    """What a list would change. Older releases wrote no members with a default."""

    added: int
    removed: int
    issuers_gone: tuple[str, ...]
    unvouched: int
    """New keys that nobody vouches for."""
    new_authorities: int
    """Who vouches now and did not before: whoever brings a list brings them along."""
    returned: int
    """New keys that had been taken off before, under whichever id, name or domain: what was
    red yesterday would be green."""
    unrevoked: int
    """Revocations that would be over, and with them what makes those certificates red."""
    first: bool = False
    """Nothing is in force before it."""
    long: bool = False
    """It holds for longer than `LONGEST_ALONE`."""
    denied: int = 0
    """Key ids that are denied and were not before: whom they signed for is locked out."""
    given_back: int = 0
    """Key ids and certificates that were denied and no longer are."""
    new_domains: int = 0
    """Keys that would sign what they, or nobody, signed before: who vouches for signers of
    one domain has not been asked about another."""
    issuers: tuple[IssuerChange, ...] = ()

    @property
    def why_two(self) -> tuple[str, ...]:
        """The members for which a second person has to agree; none: one is enough.

        Keys that vanish lock people out; most of the others may let anybody in.
        """
        return tuple(name for name, told in asdict(self).items() if name in _TAKE_TWO and told)


_TAKE_TWO: Final = frozenset(field.name for field in fields(TrustListChange)) - {
    "added",
    "issuers_gone",
    "issuers",
}


def compare(
    offer: OfferedList,
    believed: Believed,
    before: TrustList | None,
    authorities: frozenset[str],
) -> TrustListChange:
    """What changes. `authorities`: those of the list before."""
    old = [key for held in before.keys.values() for key in held] if before else []
    standing = {identity(key): key for key in old if not key.removed}
    named = {identity(key) for key in believed.keys}
    new = [key for key in believed.keys if identity(key) not in standing]
    refused = before.denied if before else NOTHING_DENIED
    denied = offer.denied.kids - refused.kids
    free = offer.free(refused)
    back = _returned(new, old)
    known = {identity(key): key for key in (*old, *believed.keys)}
    live = standing.keys() | named
    told = {
        "added": new,
        "removed": [key for which, key in standing.items() if which not in named],
        "returned": back,
        "denied": [known[one] for one in _led_to(known, denied) & live],
        "given_back": [known[one] for one in _led_to(known, free.kids) & named],
    }
    issuers = {key.issuer for key in standing.values()} - {k.issuer for k in believed.keys}
    return TrustListChange(
        added=len(new),
        removed=len(standing.keys() - named),
        issuers_gone=tuple(sorted(issuers)),
        unvouched=sum(key.kid in believed.unvouched for key in new),
        new_authorities=len(believed.authorities - authorities),
        returned=len(back),
        unrevoked=_unrevoked(offer, before) if before else 0,
        first=before is None,
        long=offer.not_after - offer.issued_at > LONGEST_ALONE,
        denied=len(denied),
        given_back=len(free.kids) + len(free.hashes),
        new_domains=len(_widened(new, standing.values())) if before else 0,
        issuers=_by_issuer(told),
    )


def _returned(new: Iterable[TrustedKey], old: Sequence[TrustedKey]) -> list[TrustedKey]:
    """Keys that were taken off: as they are, or by another name and not in use there."""
    gone = {identity(key) for key in old if key.removed}
    taken = {spki for _, _, spki, _ in gone}
    used = {(key.domain, key.spki) for key in old if not key.removed}
    return [
        key
        for key in new
        if identity(key) in gone or (key.spki in taken and (key.domain, key.spki) not in used)
    ]


def _widened(new: Iterable[TrustedKey], current: Iterable[TrustedKey]) -> list[TrustedKey]:
    """Keys that stand in another domain, and those of a domain in which none stands."""
    signing: dict[Domain, set[bytes]] = defaultdict(set)
    for key in current:
        signing[key.domain].add(key.spki)
    everywhere = set[bytes]().union(*signing.values())
    return [
        key
        for key in new
        if key.domain not in signing or key.spki in everywhere - signing[key.domain]
    ]


def _led_to(known_keys: Mapping[Identity, TrustedKey], kids: frozenset[bytes]) -> set[Identity]:
    """Every key that those ids mean, under whichever id it is listed."""
    spkis = {key.spki for key in known_keys.values() if key.kid in kids}
    return {which for which, key in known_keys.items() if key.spki in spkis}


def _by_issuer(keys_by_change: Mapping[str, Iterable[TrustedKey]]) -> tuple[IssuerChange, ...]:
    counts: dict[tuple[Domain, str | None], Counter[str]] = defaultdict(Counter)
    for what, keys in keys_by_change.items():
        for key in keys:
            counts[key.domain, key.issuer][what] += 1
    for domain, issuer in sorted(counts, key=str)[MOST_ISSUERS:]:
        counts[domain, None] += counts.pop((domain, issuer))
    return tuple(IssuerChange(*who, **counts[who]) for who in sorted(counts, key=str))


def write_change(change: TrustListChange) -> dict[str, object]:
    """As it is stored, and agreed on by two."""
    return asdict(change)


def read_change(payload: Mapping[str, object]) -> TrustListChange:
    """What `write_change` wrote, now or in an older release."""
    gone = cast("Sequence[str]", payload["issuers_gone"])
    rows = cast("Sequence[Mapping[str, object]]", payload.get("issuers", ()))
    plain = {k: v for k, v in payload.items() if k not in {"issuers_gone", "issuers"}}
    return TrustListChange(
        issuers_gone=tuple(gone),
        issuers=tuple(map(_read_issuer, rows)),
        **cast("Mapping[str, int]", plain),  # pyright: ignore[reportArgumentType]
    )


def _read_issuer(payload: Mapping[str, object]) -> IssuerChange:
    issuer = cast("str | None", payload["issuer"])
    counts = {k: v for k, v in payload.items() if k not in {"domain", "issuer"}}
    return IssuerChange(
        Domain(str(payload["domain"])), issuer, **cast("Mapping[str, int]", counts)
    )


def _unrevoked(offer: OfferedList, before: TrustList) -> int:
    """How many revocations the list before has and this one lacks."""
    lacking = 0
    for kid, kinds in before.revoked.items():
        for kind, held in kinds.items():
            lacking += len(held.hashes() - offer.revoked.get(kid, {}).get(kind, _NONE).hashes())
    for kid, ids in before.revoked_cards.items():
        told = offer.revoked_cards.get(kid, {})
        lacking += sum(not _covers(told, one, until) for one, until in ids.items())
    return lacking


_NONE: Final = Slice(b"")


def _covers(revoked_cards: Mapping[str, float | None], rid: str, until: float | None) -> bool:
    """Whether every card of that id that was revoked still is. None: all of them are."""
    if rid not in revoked_cards:
        return False
    now = revoked_cards[rid]
    return now is None or (until is not None and now >= until)
