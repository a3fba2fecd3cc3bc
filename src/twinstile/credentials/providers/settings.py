"""The online providers of a hub: a TOML file that `TWINSTILE_PROVIDERS_FILE` names."""

from pathlib import Path
from string import ascii_letters, digits
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twinstile.credentials.endpoint_settings import EndpointSettings
from twinstile.credentials.providers import profiles, questions
from twinstile.credentials.providers.online import (
    AT_ONCE,
    LONGEST,
    MOST_BYTES,
    WITHIN_S,
    Online,
    Shape,
)
from twinstile.credentials.providers.profiles import Name
from twinstile.credentials.providers.questions import SecretUnusable
from twinstile.platform.http.outbound import Outbound
from twinstile.platform.ops import config_files
from twinstile.platform.ops.config_files import InvalidFile

CONNECT_S: Final = 0.35
"""So that a second address is still tried within the deadline."""


Prefix = Annotated[str, Field(min_length=2, max_length=200)]
Alphabet = Literal["digits", "hex", "letters-and-digits", "base64url", "base64"]
_ALPHABETS: Final[dict[Alphabet, str]] = {
    "digits": digits,
    "hex": "0123456789abcdefABCDEF",
    "letters-and-digits": ascii_letters + digits,
    "base64url": ascii_letters + digits + "-_=",
    "base64": ascii_letters + digits + "+/=",
}


class CodeForm(BaseModel):
    """What a provider's codes are made of, where they have no beginning of their own."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    alphabet: Alphabet
    shortest: int = Field(ge=1, le=LONGEST)
    longest: int = Field(ge=1, le=LONGEST)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.shortest > self.longest:
            raise ValueError("the shortest is longer than the longest")
        return self

    def shape(self) -> Shape:
        return Shape(frozenset(_ALPHABETS[self.alphabet]), self.shortest, self.longest)


class ProviderSettings(EndpointSettings):
    """`[[provider]]`: who is asked, and by which profile."""

    name: Name
    profile: str = Field(max_length=500)
    """A profile that comes with the service, or the path of a file with a / in it."""
    app_id: str = Field(default="", max_length=200)
    secret_file: Path | None = None
    parameters: dict[Name, str] = Field(default={}, max_length=20)
    prefixes: Annotated[tuple[Prefix, ...], Field(max_length=20)] = ()
    """Beginnings of the codes it is asked about."""
    codes: CodeForm | None = None
    """Their form. A piece of somebody's certificate is to look like no code of anybody's."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        if not self.prefixes and self.codes is None:
            raise ValueError("tell its codes by prefixes, or by their form in codes")
        return self

    def open(self) -> Online:
        """Raises `InvalidFile`."""
        try:
            profile = profiles.load(self.profile)
            secret = config_files.secret(self.secret_file) if self.secret_file else b""
            sign = questions.signer(profile.signing, secret)
            line = self.line(WITHIN_S, MOST_BYTES, CONNECT_S, AT_ONCE)
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
            shape=self.codes.shape() if self.codes else None,
            calls=Outbound(line),
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
    return tuple(
        one.open() for one in config_files.toml(path, _File, optional=optional).provider
    )
