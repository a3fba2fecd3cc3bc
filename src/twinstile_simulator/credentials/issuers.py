"""A state's issuers of certificates, with keys of today, and the list that vouches for them."""

import hashlib
from base64 import b64encode
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from twinstile_simulator.client import Json
from twinstile_simulator.credentials import contents, forms
from twinstile_simulator.credentials.contents import Told
from twinstile_simulator.credentials.forms import CardKey
from twinstile_simulator.showing import Condition, Holder

SCHEMES = ("EU_DCC", "WHO_DVC", "WHO_DDCC", "SHC", "VDS_NC")
_DOMAINS = {"EU_DCC": "EU_DCC", "WHO_DVC": "ICVP", "WHO_DDCC": "DDCC"}
"""What a list trusts the signers of a scheme for; those of seals have an authority."""
_USAGES = {Condition.FOREIGN_USE: (forms.TESTS_ONLY,)}
_ANOTHER = Holder("Novak", "Peter", "1971-11-30", "G99999999")
_DAY, _YEAR = timedelta(days=1), timedelta(days=365)
_CONDITIONS_OF_KEYS = (
    Condition.VALID,
    Condition.UNKNOWN_KEY,
    Condition.FOREIGN_USE,
    Condition.TAKEN_BACK,
)


@dataclass(frozen=True, slots=True)
class Signer:
    private: CardKey
    certificate: bytes

    @property
    def kid(self) -> bytes:
        """As certificates and lists name it."""
        return hashlib.sha256(self.certificate).digest()[:8]


@dataclass(slots=True)
class Issuers:
    """Makes codes, and remembers which of them were taken back."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    _root: Signer = field(init=False)
    _signers: dict[tuple[str, Condition], Signer] = field(init=False)
    """Of a scheme, for codes in a condition; where there is none the valid one signs."""
    _cards: dict[Condition, CardKey] = field(init=False)
    _revoked: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list[str]))
    _issued: int = 0

    def __post_init__(self) -> None:
        good, over = (self.now - _YEAR, self.now + _YEAR), (self.now - _YEAR, self.now - _DAY)
        keys, seals = [forms.key() for _ in range(2)], (forms.SEAL_SIGNER,)
        root = forms.certificate(keys[0], keys[0], good, authority=True)
        self._root = Signer(keys[0], root)
        self._signers = {
            (scheme, how): self._vouched(good, _USAGES.get(how, ()))
            for scheme in _DOMAINS
            for how in _CONDITIONS_OF_KEYS
        }
        self._signers |= {
            ("VDS_NC", Condition.VALID): self._vouched(good, seals),
            ("VDS_NC", Condition.EXPIRED): self._vouched(over, seals),
            ("VDS_NC", Condition.UNKNOWN_KEY): self._vouched(good, seals, keys[1]),
        }
        self._cards = {Condition.VALID: forms.key(), Condition.UNKNOWN_KEY: forms.key()}

    def _vouched(
        self,
        period: tuple[datetime, datetime],
        usages: tuple[forms.Usage, ...],
        by: CardKey | None = None,
    ) -> Signer:
        private, issuer = forms.key(), by or self._root.private
        return Signer(private, forms.certificate(private, issuer, period, usages=usages))

    def issue(self, scheme: str, how: Condition, holder: Holder) -> str:
        """The text of a code of a scheme, in a condition."""
        self._issued += 1
        id_ = f"UT-{self._issued:06d}"
        if how is Condition.REVOKED:
            self._revoked[scheme].append(id_)
        told = Told(
            _ANOTHER if how is Condition.ANOTHERS else holder,
            id_,
            self.now + (3 * _DAY if how is Condition.NOT_YET_VALID else -3 * _DAY),
            self.now + (-_DAY if how is Condition.EXPIRED else _YEAR),
        )
        said = replace(told, holder=_ANOTHER) if how is Condition.TAMPERED else told
        if scheme == "SHC":
            private = self._cards.get(how, self._cards[Condition.VALID])
            card = forms.jws(private, contents.card(told), contents.card(said))
            return forms.numeric(card)
        signer = self._signers.get((scheme, how), self._signers[scheme, Condition.VALID])
        if scheme == "VDS_NC":
            both = contents.seal(told), contents.seal(said)
            return forms.seal(signer.private, signer.certificate, *both)
        claims, printed = contents.claims(scheme, told), contents.claims(scheme, said)
        return forms.hcert(signer.private, claims, signer.kid, printed)

    def listed(self, *, taken_back: bool) -> Json:
        """The list of keys as the state publishes it; later without the one it took back."""
        off = {Condition.UNKNOWN_KEY, *([Condition.TAKEN_BACK] if taken_back else [])}
        entries: list[Json] = [
            {"domain": _DOMAINS[scheme], "certificate": _text(signer.certificate)}
            for (scheme, how), signer in self._signers.items()
            if scheme in _DOMAINS and how not in off
        ]
        jwk = forms.jwk(self._cards[Condition.VALID])
        return {
            "issued_at": datetime.now(UTC).isoformat(),
            "not_after": (self.now + 7 * _DAY).isoformat(),
            "entries": [
                *entries,
                {"domain": "VDS_NC", "certificate": _text(self._root.certificate)},
                {"domain": "SHC", "issuer": contents.CARDS, "jwk": jwk},
            ],
            "authorities": [_text(self._root.certificate)],
            "revoked": [
                self._taken_back(scheme) for scheme in self._revoked if scheme != "SHC"
            ],
            "revoked_cards": {str(jwk["kid"]): dict.fromkeys(self._revoked["SHC"])},
            "reason": "synthetic station day",
        }

    def _taken_back(self, scheme: str) -> Json:
        ids = [hashlib.sha256(one.encode()).hexdigest()[:32] for one in self._revoked[scheme]]
        kid = self._signers[scheme, Condition.VALID].kid.hex()
        return {"key_id": kid, "kind": "UCI", "hashes": ids}


def _text(der: bytes) -> str:
    return b64encode(der).decode()
