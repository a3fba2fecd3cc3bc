"""Where trust lists are fetched: a TOML file that `TWINSTILE_TRUST_FILE` names."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twinstile.credentials.endpoint_settings import EndpointSettings, Url
from twinstile.credentials.sources import signatures
from twinstile.credentials.trust import Domain
from twinstile.platform.http.outbound import Endpoint
from twinstile.platform.ops import config_files
from twinstile.platform.ops.settings import Settings

WITHIN_S: Final = 30.0
MOST_BYTES: Final = 8 << 20
"""Ten times the directory of all issuers of SMART Health Cards."""
CARDS: Final = frozenset({Domain.SHC})

Form = Literal["list", "vci", "jwks"]
"""`list`: as `PUT /v1/trust-lists/{number}` takes it; `vci`: a snapshot of the VCI directory;
`jwks`: the key set of one issuer of SMART Health Cards."""


class SourceSettings(EndpointSettings):
    """`[[source]]`."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,38}$")]
    hub: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]{1,30}$")
    form: Form
    issuer: str | None = Field(default=None, pattern=r"^https://[!-~]{1,200}[!-.0-~]$")
    """Of a key set: as its cards name it."""
    domains: frozenset[Domain] = frozenset()
    """What a `list` may tell of; everything else in it is refused."""
    signature_url: Url | None = None
    """Of a directory: where the signature over the bytes of its answer lies."""
    signer_file: Path | None = None
    """The certificate or public key, in PEM, that it has to be signed by."""
    interval_s: int = Field(default=3600, ge=60, le=86_400)
    valid_h: int = Field(default=168, ge=1, le=24 * 90)
    """Hours from its last good word until nothing is known of what it told."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.form == "jwks") != (self.issuer is not None):
            raise ValueError("a key set has an issuer, and nothing else has")
        if (self.form == "list") != bool(self.domains):
            raise ValueError("a list has domains, and nothing else has")
        if (self.signature_url is None) != (self.signer_file is None):
            raise ValueError("signature_url and signer_file go together")
        if self.signature_url and self.form != "vci":
            raise ValueError("only a directory has a signature of its own")
        if self.signature_url and not (self.inside or self.signature_url.startswith("https:")):
            raise ValueError("what is outside is asked over https")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    source: Annotated[tuple[SourceSettings, ...], Field(max_length=20)] = ()

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if len({(one.hub, one.name) for one in self.source}) < len(self.source):
            raise ValueError("two sources of a hub have the same name")
        return self


@dataclass(frozen=True, slots=True)
class ConfiguredSource:
    """One source of one hub."""

    hub_id: str
    told: SourceSettings
    line: Endpoint
    signer: bytes | None = None
    """The key its answers have to be signed by, DER SubjectPublicKeyInfo."""

    @property
    def name(self) -> str:
        return self.told.name

    @property
    def domains(self) -> frozenset[Domain]:
        """What it tells of."""
        return self.told.domains or CARDS

    @property
    def interval(self) -> timedelta:
        return timedelta(seconds=self.told.interval_s)

    @property
    def valid(self) -> timedelta:
        return timedelta(hours=self.told.valid_h)


def of(settings: Settings) -> tuple[ConfiguredSource, ...]:
    """The sources of this installation. Raises `InvalidFile`."""
    told = _load(settings.trust_file, settings.trust_path)
    found = [
        ConfiguredSource(
            one.hub or settings.hub_id,
            one,
            one.line(WITHIN_S, MOST_BYTES),
            signatures.signer(one.signer_file) if one.signer_file else None,
        )
        for one in told
    ]
    if len({(one.hub_id, one.name) for one in found}) < len(found):
        raise config_files.InvalidFile(f"{settings.trust_path}: two sources have one name")
    return tuple(found)


@lru_cache(maxsize=8)
def _load(named: Path | None, path: Path) -> tuple[SourceSettings, ...]:
    return config_files.toml(path, _File, optional=named is None).source
