"""Judges a credential by a trust list at hand: no line, no clock of its own, nothing kept.

In this order: can it be read; is there a key of its id; did that key sign it; only then is its
content decoded and dates, usage, revocation, rules and person are looked at, each for itself,
so that an answer names everything that speaks against a credential.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from twinstile.credentials import binding, certificates, trust
from twinstile.credentials.certificates import UnusableKey
from twinstile.credentials.codecs import dcc, hcert, shc, vds_nc, who
from twinstile.credentials.codecs.message import CoseMessage, verifies
from twinstile.credentials.trust import Domain, HashType, Slice, TrustedKey, TrustList
from twinstile.credentials.types import (
    AspectResult,
    Assessment,
    Colour,
    Content,
    Context,
    CredentialOutcome,
    CredentialRefused,
    Freshness,
    Holder,
    Scheme,
    SubjectMatch,
)

LEEWAY: Final = timedelta(minutes=5)
"""How far a credential may lie in the future: clocks differ. Past its end there is none."""
_LEEWAY_S: Final = LEEWAY.total_seconds()
_EVER: Final = datetime.min.replace(tzinfo=UTC)
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
MOST_KEYS: Final = 8
"""Tried for one id. Ids of eight bytes may collide; more than two never did."""

_DOMAINS: Final[Mapping[Scheme, frozenset[Domain]]] = {
    Scheme.EU_DCC: frozenset({Domain.EU_DCC, Domain.DDCC}),  # WHO took the EU's keys over
    Scheme.WHO_DDCC: frozenset({Domain.DDCC}),
    Scheme.WHO_DVC: frozenset({Domain.ICVP}),
    Scheme.SHC: frozenset({Domain.SHC}),
    Scheme.VDS_NC: frozenset({Domain.VDS_NC}),
}
_YES, _NO, _UNKNOWN = AspectResult.YES, AspectResult.NO, AspectResult.UNKNOWN
_VERIFIED, _NOT_CHECKED = CredentialOutcome.VERIFIED, SubjectMatch.NOT_CHECKED
_RECENT: Final = (Freshness.FRESH, Freshness.AGING)
_HCERT: Final = frozenset({Domain.EU_DCC, Domain.DDCC, Domain.ICVP})
_FORGED: Final = frozenset(
    {
        CredentialOutcome.INVALID_SIGNATURE,
        CredentialOutcome.TERMINATED_KEYS,
        CredentialOutcome.REVOKED_KEYS,
        CredentialOutcome.KEY_USAGE_MISMATCH,
    }
)


MOST_TEXT: Final = 16 << 10
"""Characters of anything that is shown: a file of cards, or the largest of codes."""


def detect(raw: str) -> Scheme | None:
    """By the beginning of the text; None for everything that is not read here."""
    if len(raw) > MOST_TEXT:
        return None
    if raw.startswith(hcert.PREFIX):
        return Scheme.HCERT
    if raw.startswith((shc.PREFIX, "eyJ")) or _is_file(raw):
        return Scheme.SHC
    return Scheme.VDS_NC if raw.startswith("{") and '"icao.' in raw else None


def verify(raw: str, listed: TrustList | None, context: Context) -> Assessment:
    """What is known of a credential. Of a file of several cards: of the worst."""
    scheme = detect(raw)
    if scheme is None:
        return _refused(scheme, CredentialOutcome.NOT_SUPPORTED, listed, context)
    if listed is None:
        return _refused(scheme, CredentialOutcome.NO_TRUST_LIST, listed, context)
    if not _is_file(raw):
        return _verified(raw, scheme, listed, context)
    try:
        cards = shc.cards(raw)
    except CredentialRefused as refusal:
        return _refused(scheme, refusal.outcome, listed, context)
    each = [_verified(card, scheme, listed, context) for card in cards]
    return min(each, key=_standing_of)


_WORST_FIRST: Final = (Colour.RED, Colour.YELLOW, Colour.UNKNOWN, Colour.GREEN)


def _standing_of(card: Assessment) -> tuple[int, bool]:
    """The worst card first, and last the one that only wants a look at the document."""
    unconfirmed = card.outcome is CredentialOutcome.SUBJECT_UNCONFIRMED
    return _WORST_FIRST.index(card.colour), unconfirmed


def _is_file(raw: str) -> bool:
    return raw.startswith("{") and '"verifiableCredential"' in raw[:200]


def _verified(raw: str, form: Scheme, listed: TrustList, context: Context) -> Assessment:
    try:
        return _judged(_READERS[form](raw, listed), listed, context)
    except CredentialRefused as refusal:
        found = _refused(form, refusal.outcome, listed, context)
    if found.outcome is not CredentialOutcome.ISSUER_NOT_TRUSTED:
        return found
    return found._replace(claimed_issuer=_claimed(raw, form))


_STATE: Final = re.compile(r"[A-Z]{2,3}")
_ADDRESS: Final = re.compile(r"https://[a-z0-9.-]{1,80}(?:/[A-Za-z0-9._~-]{1,40}){0,4}/?")


def _claimed(raw: str, form: Scheme) -> str | None:
    """The state or address that a credential says it is of; None for anything else."""
    try:
        if form is Scheme.HCERT:
            named = hcert.issuer(hcert.read(raw).payload)
        elif form is Scheme.SHC:
            named = shc.issuer(shc.read(raw).payload)
        else:
            named = vds_nc.issuer(vds_nc.read(raw).message.payload)
    except CredentialRefused:
        return None
    return named if (_ADDRESS if form is Scheme.SHC else _STATE).fullmatch(named) else None


class _Proof(NamedTuple):
    """A credential whose signature holds."""

    message: CoseMessage
    key: TrustedKey
    content: Content


def _hcert(raw: str, listed: TrustList) -> _Proof:
    message = hcert.read(raw)
    keys = _signers(message, _HCERT, listed)
    content = hcert.content(message.payload)
    domains = _DOMAINS[content.scheme]
    entitled = [key for key in keys if key.domain in domains]
    return _Proof(message, (entitled or keys)[0], content)


def _shc(raw: str, listed: TrustList) -> _Proof:
    message = shc.read(raw)
    keys = _signers(message, _DOMAINS[Scheme.SHC], listed)
    content = shc.content(message.payload, {key.issuer for key in keys})
    key = next(key for key in keys if key.issuer == content.body["iss"])
    return _Proof(message, key, content)


def _vds_nc(raw: str, listed: TrustList) -> _Proof:
    """A seal's signer is believed while an authority on the list vouches for it."""
    seal = vds_nc.read(raw)
    try:
        signer = certificates.read(seal.certificate)
        key = certificates.signer(signer, Domain.VDS_NC)
    except UnusableKey:
        raise CredentialRefused(CredentialOutcome.INVALID_SIGNING_FORMAT) from None
    found = listed.of(_DOMAINS[Scheme.VDS_NC], signer.authority_id)[:MOST_KEYS]
    if not found:
        raise CredentialRefused(CredentialOutcome.ISSUER_NOT_TRUSTED)
    vouching = [one for one in found if certificates.issued_by(signer, one.spki)]
    authorities = _standing(vouching, listed)
    ids = certificates.ids(signer, authorities[0].spki)
    if not listed.denied.kids.isdisjoint(ids):
        raise CredentialRefused(CredentialOutcome.REVOKED_KEYS)
    if signer.usages is None or certificates.SEAL_SIGNER not in signer.usages:
        raise CredentialRefused(CredentialOutcome.KEY_USAGE_MISMATCH)
    if not verifies(seal.message, key.spki):
        raise CredentialRefused(CredentialOutcome.INVALID_SIGNATURE)
    content = vds_nc.content(seal.message.payload)
    own = replace(
        key,
        kid=next((one for one in ids if one in listed.revoked), key.kid),
        issuer=authorities[0].issuer,
        kinds=None,
        # one that was renewed with its key vouches as long as either certificate says
        not_before=max(
            key.not_before or _EVER, min(one.not_before or _EVER for one in authorities)
        ),
        not_after=min(
            key.not_after or _NEVER, max(one.not_after or _NEVER for one in authorities)
        ),
    )
    return _Proof(seal.message, own, content)


_READERS: Final[Mapping[Scheme, Callable[[str, TrustList], _Proof]]] = {
    Scheme.HCERT: _hcert,
    Scheme.SHC: _shc,
    Scheme.VDS_NC: _vds_nc,
}


def _signers(
    message: CoseMessage, domains: frozenset[Domain], listed: TrustList
) -> Sequence[TrustedKey]:
    """The keys of that id that made the signature and are still believed."""
    found = listed.of(domains, message.kid)
    if not found:
        raise CredentialRefused(CredentialOutcome.ISSUER_NOT_TRUSTED)
    return _standing([key for key in found[:MOST_KEYS] if verifies(message, key.spki)], listed)


def _standing(keys: Sequence[TrustedKey], listed: TrustList) -> Sequence[TrustedKey]:
    if not keys:
        raise CredentialRefused(CredentialOutcome.INVALID_SIGNATURE)
    denied = listed.denied.kids
    if denied and not all(denied.isdisjoint(listed.ids(key)) for key in keys):
        raise CredentialRefused(CredentialOutcome.REVOKED_KEYS)
    standing = [key for key in keys if not key.removed]
    if not standing:
        raise CredentialRefused(CredentialOutcome.TERMINATED_KEYS)
    return standing


def _judged(proof: _Proof, listed: TrustList, context: Context) -> Assessment:
    """Every question that a genuine credential is asked."""
    content, key, now = proof.content, proof.key, context.now
    entitled = _entitled(proof)
    dates = _dates(content, key, now)
    revoked = _revoked(proof, listed)
    freshness = listed.freshness(now)
    recent = freshness in _RECENT
    unmet = _unmet(content, context)
    match, said = _NOT_CHECKED, ()
    if context.subject is not None:
        match, said = binding.match(context.subject, _SAYING[content.scheme][0](content.body))
    found = [] if entitled else [CredentialOutcome.KEY_USAGE_MISMATCH]
    if revoked:
        found.append(CredentialOutcome.REVOKED)
    if match is SubjectMatch.MISMATCH:
        found.append(CredentialOutcome.SUBJECT_MISMATCH)
    found += dates  # what is red comes before it, what is merely doubted behind it
    if not recent:
        found.append(CredentialOutcome.STALE_SNAPSHOT)
    if unmet != ():
        found.append(CredentialOutcome.POLICY_FAILED)
    if match in _UNCONFIRMED:
        found.append(CredentialOutcome.SUBJECT_UNCONFIRMED)
    against = tuple(found)
    return Assessment(  # by place: fifteen names cost as much as reading the COSE message
        content.scheme,
        against[0] if against else _VERIFIED,
        against,
        _YES if entitled else _NO,
        _NO if dates else _YES,
        _NO if revoked else _YES if recent else _UNKNOWN,
        _YES if unmet == () else _NO if unmet else _UNKNOWN,
        match,
        now,
        said,
        unmet or (),
        key.issuer,
        content.kinds,
        listed.version,
        freshness,
    )


_UNCONFIRMED: Final = (SubjectMatch.POSSIBLE, SubjectMatch.NOT_CHECKED)


def _unmet(content: Content, context: Context) -> tuple[str, ...] | None:
    """Of a credential without the form its scheme prescribes, no rule can tell."""
    if context.unmet is None:
        return ()
    return context.unmet(content.scheme, content.body, context.now) if content.sound else None


def _entitled(proof: _Proof) -> bool:
    """Whether the key may sign such a credential.

    Of one that tells of several things and is not sound, so never green, one of them is enough:
    early certificates did, and their forms are not their signers' usages.
    """
    key, content = proof.key, proof.content
    if key.domain not in _DOMAINS[content.scheme]:
        return False
    if key.kinds is None or content.kinds <= key.kinds:
        return True
    return not content.sound and not content.kinds.isdisjoint(key.kinds)


def _dates(content: Content, key: TrustedKey, now: datetime) -> tuple[CredentialOutcome, ...]:
    """Both ends of a period belong to it."""
    found: list[CredentialOutcome] = []
    second = now.timestamp()
    if not content.sound:
        found.append(CredentialOutcome.INVALID_CONTENT)
    if content.issued is not None and second + _LEEWAY_S < content.issued:
        found.append(CredentialOutcome.NOT_YET_VALID)
    if content.expires is not None and second > content.expires:
        found.append(CredentialOutcome.EXPIRED)
    if (key.not_after is not None and now > key.not_after) or (
        key.not_before is not None and now + LEEWAY < key.not_before
    ):
        found.append(CredentialOutcome.EXPIRED_KEYS)
    return tuple(found)


def _revoked(proof: _Proof, listed: TrustList) -> bool:
    """By the issuers' lists, or by this house's own."""
    content = proof.content
    if listed.denied.hashes:
        named = (trust.digest(one.encode()) for _, one in _ids(content))
        if not listed.denied.hashes.isdisjoint((trust.digest(proof.message.mark), *named)):
            return True
    if content.scheme is Scheme.SHC:
        entries = listed.revoked_cards.get(proof.key.kid)
        return bool(entries) and _card_revoked(content, entries)
    found = [held for kid in listed.ids(proof.key) if (held := listed.revoked.get(kid))]
    return any(_on_a_list(proof, slices) for slices in found)


def _on_a_list(proof: _Proof, slices: Mapping[HashType, Slice]) -> bool:
    named = _ids(proof.content)
    by_state = named
    if proof.message.form is Scheme.HCERT and HashType.COUNTRY_CODE_UCI in slices:
        state = hcert.issuer(proof.message.payload)
        by_state = [*named, *((state, one) for _, one in named)]
    hashed = {
        HashType.SIGNATURE: [proof.message.mark],
        HashType.UCI: [one.encode() for _, one in named],
        HashType.COUNTRY_CODE_UCI: [(state + one).encode() for state, one in by_state],
    }
    return any(
        trust.digest(one) in held for kind, held in slices.items() for one in hashed[kind]
    )


def _card_revoked(content: Content, entries: Mapping[str, float | None]) -> bool:
    for _, one in _ids(content):
        if one in entries:
            before = entries[one]
            return before is None or content.issued is None or content.issued < before
    return False


def _ids(content: Content) -> Sequence[tuple[str, str]]:
    return _SAYING[content.scheme][1](content.body)


_Holding = Callable[[Mapping[str, object]], Holder]
_Naming = Callable[[Mapping[str, object]], Sequence[tuple[str, str]]]
_SAYING: Final[Mapping[Scheme, tuple[_Holding, _Naming]]] = {
    Scheme.EU_DCC: (dcc.holder, dcc.ids),
    Scheme.WHO_DVC: (who.vaccinated, who.ids),
    Scheme.WHO_DDCC: (who.documented, who.ids),
    Scheme.SHC: (shc.holder, shc.ids),
    Scheme.VDS_NC: (vds_nc.holder, vds_nc.ids),
}
"""Who a credential of a scheme is of, and what revocation lists know it by."""


def _refused(
    scheme: Scheme | None,
    outcome: CredentialOutcome,
    listed: TrustList | None,
    context: Context,
) -> Assessment:
    """Of a credential that is looked at no further, nothing else is known."""
    return Assessment(
        scheme=scheme,
        outcome=outcome,
        reasons=(outcome,),
        authenticity=AspectResult.NO if outcome in _FORGED else AspectResult.UNKNOWN,
        validity=AspectResult.UNKNOWN,
        revocation=AspectResult.UNKNOWN,
        policy=AspectResult.UNKNOWN,
        subject_match=SubjectMatch.NOT_CHECKED,
        checked_at=context.now,
        snapshot=listed.version if listed else None,
        freshness=listed.freshness(context.now) if listed else None,
    )
