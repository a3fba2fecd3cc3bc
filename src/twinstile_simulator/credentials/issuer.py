"""A state that issues EU health certificates, and the trust list that names its keys."""

import hashlib
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec

from twinstile_simulator.client import Json
from twinstile_simulator.credentials import certificates
from twinstile_simulator.credentials.presentations import CredentialCondition, CredentialHolder

_SIGNING = (
    CredentialCondition.VALID,
    CredentialCondition.UNKNOWN_KEY,
    CredentialCondition.FOREIGN_USE,
    CredentialCondition.WITHDRAWN_KEY,
)
"""Conditions with a key of their own; all others are signed by the valid one."""
_OTHER_PERSON = CredentialHolder("Novak", "Peter", "1971-11-30", "G99999999")
_DAY, _YEAR = timedelta(days=1), timedelta(days=365)


@dataclass(frozen=True, slots=True)
class _Signer:
    private: ec.EllipticCurvePrivateKey
    certificate: bytes

    @property
    def kid(self) -> bytes:
        """The key id, as certificates and lists name it."""
        return hashlib.sha256(self.certificate).digest()[:8]


@dataclass(slots=True)
class CertificateIssuer:
    """Issues certificates in a condition, and remembers which it revoked."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    _authority: bytes = field(init=False)
    _signers: dict[CredentialCondition, _Signer] = field(init=False)
    _revoked: list[str] = field(default_factory=list[str])
    _issued: int = 0

    def __post_init__(self) -> None:
        period, root = (self.now - _YEAR, self.now + _YEAR), certificates.generate_key()
        self._authority = certificates.issue_x509(root, root, period, authority=True)
        self._signers = {}
        for how in _SIGNING:
            key = certificates.generate_key()
            usages = (
                (certificates.TESTS_ONLY,) if how is CredentialCondition.FOREIGN_USE else ()
            )
            signer = certificates.issue_x509(key, root, period, usages=usages)
            self._signers[how] = _Signer(key, signer)

    def issue(self, how: CredentialCondition, holder: CredentialHolder) -> str:
        """Issue a certificate in a condition; returns the text of its code."""
        self._issued += 1
        id_ = f"UT-{self._issued:06d}"
        if how is CredentialCondition.REVOKED:
            self._revoked.append(id_)
        subject = _OTHER_PERSON if how is CredentialCondition.OTHER_PERSON else holder
        printed = _OTHER_PERSON if how is CredentialCondition.TAMPERED else subject
        begins = self.now + (
            3 * _DAY if how is CredentialCondition.NOT_YET_VALID else -3 * _DAY
        )
        ends = self.now + (-_DAY if how is CredentialCondition.EXPIRED else _YEAR)
        signer = self._signers.get(how, self._signers[CredentialCondition.VALID])
        return certificates.encode_health_certificate(
            signer.private,
            _write_claims(subject, id_, begins, ends),
            signer.kid,
            _write_claims(printed, id_, begins, ends),
        )

    def write_trust_list(self, *, withdrawn: bool) -> Json:
        """Write the list of keys; later without the one that was withdrawn."""
        off = {
            CredentialCondition.UNKNOWN_KEY,
            *([CredentialCondition.WITHDRAWN_KEY] if withdrawn else []),
        }
        valid = self._signers[CredentialCondition.VALID].kid.hex()
        hashes = [hashlib.sha256(one.encode()).hexdigest()[:32] for one in self._revoked]
        return {
            "issued_at": datetime.now(UTC).isoformat(),
            "not_after": (self.now + 7 * _DAY).isoformat(),
            "entries": [
                {"domain": "EU_DCC", "certificate": b64encode(one.certificate).decode()}
                for how, one in self._signers.items()
                if how not in off
            ],
            "authorities": [b64encode(self._authority).decode()],
            "revoked": [{"key_id": valid, "kind": "UCI", "hashes": hashes}],
            "reason": "synthetic station day",
        }


def _write_claims(
    holder: CredentialHolder, id_: str, begins: datetime, ends: datetime
) -> dict[object, object]:
    vaccine = {"vp": "1119305005", "mp": "EU/1/20/1528", "ma": "ORG-100030215"}
    dose = {"dn": 2, "sd": 2, "dt": begins.date().isoformat(), "co": "UT"}
    source = {"is": "Health of Utopia", "ci": id_}
    names = {"fn": holder.family, "fnt": holder.family.upper(), "gn": holder.given}
    body = {
        "ver": "1.3.0",
        "nam": {**names, "gnt": holder.given.upper()},
        "dob": holder.born,
        "v": [{"tg": "840539006", **vaccine, **dose, **source}],
    }
    period = {4: int(ends.timestamp()), 6: int(begins.timestamp())}
    return {1: "UT", **period, certificates.HCERT: {1: body}}
