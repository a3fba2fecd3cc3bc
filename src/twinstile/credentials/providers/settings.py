"""The online providers of a hub: a TOML file that `TWINSTILE_PROVIDERS_FILE` names."""

from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from twinstile.credentials.providers import profiles, questions
from twinstile.credentials.providers.online import AT_ONCE, MOST_BYTES, WITHIN_S, Online
from twinstile.credentials.providers.profiles import Name
from twinstile.credentials.providers.questions import SecretUnusable
from twinstile.platform import files, outbound
from twinstile.platform.files import InvalidFile
from twinstile.platform.outbound import Line, Outbound

CONNECT_S: Final = 0.35
"""So that a second address is still tried within the deadline."""


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an address with http or https")
    if parts.username is not None or parts.fragment or parts.query:
        raise ValueError("no credentials, query or fragment in an address")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("in ASCII, other characters with %")
    _ = parts.port
    return url


Prefix = Annotated[str, Field(min_length=2, max_length=200)]
Url = Annotated[str, Field(max_length=500), AfterValidator(_address)]


class ProviderSettings(BaseModel):
    """`[[provider]]`: who is asked, and by which profile."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Name
    profile: str = Field(max_length=500)
    """A profile that comes with the service, or the path of a file with a / in it."""
    url: Url
    app_id: str = Field(default="", max_length=200)
    secret_file: Path | None = None
    parameters: Annotated[dict[Name, str], Field(max_length=20)] = {}
    prefixes: Annotated[tuple[Prefix, ...], Field(max_length=20)] = ()
    """Beginnings of the codes it is asked about; none: all that nobody else knows."""
    inside: bool = False
    """It is reached in our own network, at a private address."""
    proxy: Url | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    certificate_key_file: Path | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.inside and urlsplit(self.url).scheme != "https":
            raise ValueError("a provider outside is asked over https")
        if (self.certificate_file is None) != (self.certificate_key_file is None):
            raise ValueError("certificate_file and certificate_key_file go together")
        return self

    def open(self) -> Online:
        """Raises `InvalidFile`."""
        try:
            profile = profiles.load(self.profile)
            secret = files.secret(self.secret_file) if self.secret_file else b""
            sign = questions.signer(profile.signing, secret)
        except (InvalidFile, SecretUnusable) as error:
            raise InvalidFile(f"provider {self.name}: {error}") from None
        parameters = {**self.parameters, "app_id": self.app_id}
        if lacking := questions.missing(profile, parameters):
            raise InvalidFile(f"provider {self.name}: set {', '.join(lacking)}")
        return Online(
            name=self.name,
            profile=profile,
            url=self.url.rstrip("/") + profile.asking.path,
            sign=sign,
            parameters=parameters,
            prefixes=self.prefixes,
            calls=Outbound(self._line()),
        )

    def _line(self) -> Line:
        files = (self.ca_file, self.certificate_file, self.certificate_key_file)
        try:
            tls = (
                outbound.tls_context(*(str(one) if one else None for one in files))
                if any(files)
                else None
            )
        except (OSError, ValueError):
            raise InvalidFile(f"provider {self.name}: its certificates' files") from None
        return Line(
            within_s=WITHIN_S,
            most_bytes=MOST_BYTES,
            inside=self.inside,
            tls=tls,
            proxy=self.proxy,
            connect_s=CONNECT_S,
            at_once=AT_ONCE,
            kept=AT_ONCE,
        )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    provider: Annotated[tuple[ProviderSettings, ...], Field(max_length=20)] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        names = [one.name for one in self.provider]
        if len(set(names)) != len(names):
            raise ValueError("two providers have the same name")
        return self


def load(path: Path, *, optional: bool = False) -> tuple[Online, ...]:
    """The providers of a hub, as they are asked in turn whose code it is.

    `optional`: none where there is no such file. Raises `InvalidFile`.
    """
    return tuple(one.open() for one in files.toml(path, _File, optional=optional).provider)
