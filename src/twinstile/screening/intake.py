"""From a request's body to a fact: what a tablet sent, read before any transaction."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from uuid import UUID
from zoneinfo import ZoneInfo

from twinstile.credentials.types import CredentialKind
from twinstile.credentials.verifying import VerifiedCredential
from twinstile.declarations import codes
from twinstile.identity import forms, vault
from twinstile.identity.forms import DocumentContext
from twinstile.identity.types import Finding
from twinstile.identity.vault import Identity
from twinstile.platform.http.field_types import EARLIEST
from twinstile.platform.http.routes import Runtime
from twinstile.platform.keys.ciphers import keyed_digest
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.security.auth import Principal
from twinstile.screening import claim_bodies, readings
from twinstile.screening.bodies import CheckFact
from twinstile.screening.evidence import Brought
from twinstile.screening.facts import GateCheck
from twinstile.screening.party_bodies import PartyBody
from twinstile.screening.types import Belonging, PartyRole


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who takes facts in, where and when."""

    who: Principal
    keys: KeyFiles
    zone: ZoneInfo
    terms: DocumentContext
    at: datetime
    epochs: Sequence[tuple[str, bytes]] = field(repr=False)
    """See `vault.epoch_keys`."""


async def receiver(runtime: Runtime, who: Principal, at: datetime) -> Receiver:
    """Whoever takes facts in from this caller now. Raises `MasterUnavailable`."""
    keys, zone = runtime.keys.of(who.hub_id), runtime.settings.zone
    terms = forms.document_context(runtime.settings, who.mode, at)
    epochs = await vault.epoch_keys(keys, at.astimezone(zone).date())
    return Receiver(who, keys, zone, terms, at, epochs)


def check(
    body: CheckFact,
    check_id: UUID,
    counter: int,
    sent_at: datetime,
    receiver: Receiver,
    seen: VerifiedCredential | None = None,
) -> GateCheck:
    """The check a body describes. Raises `InvalidInput` for an unreadable document.

    `seen`: what the service itself found of the credential. It is no part of the fingerprint,
    for a provider may answer otherwise when the same check is sent again.
    """
    who, at = receiver.who, receiver.at
    identity, findings = None, frozenset[Finding]()
    if body.identity is not None and body.identity.document is not None:
        identity, findings = forms.identify(
            body.identity.document, "/identity/document", receiver.terms
        )
    credential = _credential(body, seen)
    thermal = body.temperature
    reading = thermal and readings.reading(
        thermal.value, thermal.unit, thermal.method, body.observed_at, thermal.error
    )
    brought = Brought(
        reading,
        str(credential["status"]) if credential else None,
        body.identity.result.value if body.identity else None,
        body.illness,
        frozenset(body.reminders),
        frozenset(offer.kind for offer in body.services),
        claim_bodies.claims(body),
        body.emergency and body.emergency.value,
    )
    evidence: dict[str, object] = {
        "temperature": thermal
        and reading
        and {
            "tenths": reading.tenths,
            **thermal.model_dump(mode="json", exclude={"value", "unit"}, exclude_none=True),
        },
        "credential": credential,
        "identity": body.identity
        and {
            "kind": identity.document.kind.value if identity else None,
            "result": body.identity.result.value,
            "method": body.identity.method.value,
            "findings": sorted(findings),
        },
        "services": [offer.model_dump(mode="json") for offer in body.services],
        "language": body.language,
        "assistance": body.assistance,
        "illness": body.illness,
        "decided": body.decided and body.decided.model_dump(mode="json"),
        "emergency": body.emergency,
        **(
            body.model_dump(mode="json", include=claim_bodies.MEMBERS) if brought.claims else {}
        ),
    }
    return GateCheck(
        id=check_id,
        counter=counter,
        observed_at=body.observed_at,
        moment=corrected(body.observed_at, sent_at, at),
        received_at=at,
        clock_offset_ms=clock_offset_ms(at, sent_at),
        offline=body.offline,
        decided=body.decided.verdict if body.decided else None,
        screening_id=body.screening_id,
        run_id=body.run_id,
        lane_id=body.lane_id or who.lane_id,
        device_id=who.device_id,
        operator_id=who.operator_id,
        shift_id=who.shift_id,
        identity=identity,
        party=_belonging(body.party, identity, at.astimezone(receiver.zone).date()),
        brought=brought,
        evidence={name: value for name, value in evidence.items() if value not in (None, [])},
        findings=sorted(findings),
        fingerprints=fingerprints(receiver, content(body)),
        pass_code=body.pass_code and codes.read_shown(body.pass_code),
    )


def _credential(body: CheckFact, seen: VerifiedCredential | None) -> dict[str, object] | None:
    """The evidence of a credential: what was found of it, and nothing of what it holds."""
    told = body.credential and body.credential.model_dump(mode="json")
    if seen is None:
        return told
    found = seen.assessment
    return {
        **(told or {"kind": CredentialKind.HEALTH_CODE.value}),
        "status": found.status.value,
        "scheme": found.scheme,
        "outcome": found.outcome.value,
        "provider": seen.provider,
        "snapshot": found.snapshot,
        "subject": found.subject_match.value,
    }


MINOR_BELOW = 14
"""Years. Younger people have no telephone of their own (domain: minors)."""


def _belonging(
    party: PartyBody | None, identity: Identity | None, today: date
) -> Belonging | None:
    """What a check says of its party; the document's word for a minor goes before."""
    if party is None:
        return None
    born = identity.holder.birth_date if identity else None
    minor = born is not None and today < _birthday(born, MINOR_BELOW)
    return Belonging(party.id, PartyRole.MINOR if minor else party.role)


def _birthday(born: date, years: int) -> date:
    """Somebody's birthday of that age; of 29 February, the first of March."""
    try:
        return born.replace(year=born.year + years)
    except ValueError:
        return date(born.year + years, 3, 1)


_FIRST = (
    "observed_at", "offline", "screening_id", "run_id", "lane_id", "temperature", "credential",
    "identity", "reminders", "services", "assistance", "illness",
)  # fmt: skip


def content(body: CheckFact) -> str:
    """What makes a check this check and no other; its fingerprint is taken of it.

    Members that came after the first release and say nothing here are no part of it, so that a
    check sent again keeps its fingerprint although the service knows more members by now.
    """
    silent = (name for name, nothing in _later(type(body)) if getattr(body, name) == nothing)
    return body.model_dump_json(exclude={"sent_at", "counter", "made_for", *silent})


@cache
def _later(kind: type[CheckFact]) -> tuple[tuple[str, object], ...]:
    later = ((n, field) for n, field in kind.model_fields.items() if n not in _FIRST)
    return tuple((name, field.default) for name, field in later)


def corrected(observed_at: datetime, sent_at: datetime, at: datetime) -> datetime:
    """When it happened by our clock: the device's, moved by its offset, never in the future.

    Nor before the first year a station can mean: a clock that was far off when it was read, or
    when its facts were sent, would point to a time without a policy. Everything is ordered and
    decided by this moment; what the device's clock said is kept.
    """
    try:
        return max(EARLIEST, min(observed_at + (at - sent_at), at))
    except OverflowError:
        return at


def clock_offset_ms(at: datetime, sent_at: datetime) -> int:
    """How far the device's clock is behind ours, cut to what the column holds."""
    offset = int((at - sent_at).total_seconds() * 1000)
    return max(-(2**31), min(2**31 - 1, offset))


def fingerprints(receiver: Receiver, content: str) -> dict[str, bytes]:
    """HMACs of a fact's content under each living epoch key, the present one first.

    Keyed, because a document number could be guessed from a plain hash; under the epoch's key,
    so that they end with it.
    """
    plain = content.encode("utf-8", "surrogatepass")
    return {name: keyed_digest(key, "fingerprint", plain) for name, key in receiver.epochs}


def canonical(item: object) -> str:
    """One spelling of a JSON value, for fingerprints and for keeping it."""
    return json.dumps(item, sort_keys=True, separators=(",", ":"))
