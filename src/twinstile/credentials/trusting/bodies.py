"""A trust list as it is brought, by hand or from a source; each entry is judged by itself."""

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from pydantic import Field, JsonValue, StringConstraints

from twinstile.credentials.trust import Denied, Domain, HashType, Slice
from twinstile.credentials.trusting.snapshots import ListedKey, OfferedList, Revoked
from twinstile.platform.http.field_types import Body, Line, Moment

MOST_KEYS: Final = 5000
EXAMPLE: Final = (
    "MIIBqjCCAVGgAwIBAgIUTmFi2VF5/DuGkRVCuop2F22F0FYwCgYIKoZIzj0EAwIwKjELMAkGA1UEBhMCVVQx"
    "GzAZBgNVBAMMElV0b3BpYSBIZWFsdGggUm9vdDAgFw0yNjExMjgyMjAyNTNaGA8yMTAwMTAzMTIyMDI1M1ow"
    "KjELMAkGA1UEBhMCVVQxGzAZBgNVBAMMElV0b3BpYSBIZWFsdGggUm9vdDBZMBMGByqGSM49AgEGCCqGSM49"
    "AwEHA0IABAKK/ha1w+gsT44KMp35nPbBO3acmzGyTCm9Ra1rmmnWaR5uOj4vjvaV1ZTRTkp9rhVH5ZIVDttC"
    "yKSfXJmAxUyjUzBRMB0GA1UdDgQWBBT6u3hmV1RIzTblorwMvnfFDn1mfTAfBgNVHSMEGDAWgBT6u3hmV1RI"
    "zTblorwMvnfFDn1mfTAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCIFgduxgRJLlhbkHUmyVs"
    "UCwfh2MArZI2SKL1NQO4Q3m6AiAojVlhipfV7DPCqIMkrwzo27RGCI0ZPfnJ3AG+XSAPqg=="
)
"""The certificate of an authority of Utopia: what examples list. Nobody has its key."""
Encoded = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9+/]+={0,2}$", max_length=12_000, strict=True)
]
"""DER in base64."""


class TrustEntryBody(Body):
    domain: Domain = Field(description="what the key is trusted for")
    issuer: Line | None = Field(
        default=None, description="the certificate's country unless given; SHC: its address"
    )
    certificate: Encoded | None = None
    jwk: dict[str, JsonValue] | None = Field(
        default=None, max_length=20, description="of an issuer of SMART Health Cards"
    )


Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$", strict=True)]
"""The first 16 bytes of a SHA-256, hex."""
KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$", strict=True)]
"""Of eight bytes, hex."""
CardKeyId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$", strict=True)]
RevocationId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,24}$", strict=True)]
Second = Annotated[float, Field(ge=0, le=2**40, allow_inf_nan=False)]
RevokedIds = Annotated[dict[RevocationId, Second | None], Field(max_length=50_000)]


class RevokedBody(Body):
    """Certificates that the signers of a key took back, as the EU's lists name them."""

    key_id: KeyId
    kind: Literal["SIGNATURE", "UCI", "COUNTRY_CODE_UCI"]
    hashes: Annotated[tuple[Digest, ...], Field(min_length=1, max_length=50_000)]


class TrustListBody(Body):
    issued_at: Moment
    not_after: Moment = Field(
        description="afterwards nothing is known of any certificate; more than 30 days after "
        "`issued_at` only if two agree",
        examples=["2099-12-31T00:00:00Z"],
    )
    entries: Annotated[
        tuple[TrustEntryBody, ...],
        Field(
            min_length=1,
            max_length=MOST_KEYS,
            examples=[[{"domain": "VDS_NC", "certificate": EXAMPLE}]],
        ),
    ]
    authorities: Annotated[tuple[Encoded, ...], Field(max_length=500)] = ()
    revoked: Annotated[tuple[RevokedBody, ...], Field(max_length=1000)] = ()
    revoked_cards: dict[CardKeyId, RevokedIds] = Field(
        default={},
        max_length=1000,
        description="SMART Health Cards: key, revocation id, null or the second before which "
        "cards under that id are revoked",
    )
    denied_keys: Annotated[
        tuple[KeyId, ...],
        Field(
            max_length=1000,
            description="refused here, on every later list too, until given back",
        ),
    ] = ()
    denied_hashes: Annotated[tuple[Digest, ...], Field(max_length=10_000)] = ()
    given_back_keys: Annotated[
        tuple[KeyId, ...],
        Field(max_length=1000, description="denied before and no longer, if two agree"),
    ] = ()
    given_back_hashes: Annotated[tuple[Digest, ...], Field(max_length=10_000)] = ()
    reason: Line = Field(description="where it comes from", examples=["gateway, 28 November"])

    def offer(self, version: int) -> OfferedList:
        """What it brings, under that number."""
        return OfferedList(
            version,
            self.issued_at,
            self.not_after,
            [
                ListedKey(one.domain, one.issuer, one.certificate, one.jwk)
                for one in self.entries
            ],
            self.authorities,
            _revoked(self.revoked),
            {kid.encode(): ids for kid, ids in self.revoked_cards.items()},
            _ids(self.denied_keys, self.denied_hashes),
            _ids(self.given_back_keys, self.given_back_hashes),
        )


def _ids(kids: Iterable[str], hashes: Iterable[str]) -> Denied:
    return Denied(frozenset(map(bytes.fromhex, kids)), frozenset(map(bytes.fromhex, hashes)))


def _revoked(revoked: Iterable[RevokedBody]) -> Revoked:
    hashes: dict[bytes, dict[HashType, set[bytes]]] = {}
    for one in revoked:
        kinds = hashes.setdefault(bytes.fromhex(one.key_id), {})
        kinds.setdefault(HashType[one.kind], set()).update(map(bytes.fromhex, one.hashes))
    return {
        kid: {kind: Slice.of(held) for kind, held in kinds.items()}
        for kid, kinds in hashes.items()
    }
