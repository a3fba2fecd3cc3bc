"""Profiles of online providers, in the style of the code verification of GB/T 38963 (6.7).

The standard's own tables could not be had; the profiles that come with the service follow what
is published of live systems, and an operator's file takes the place of one that differs.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from twinstile.credentials.types import CredentialStatus
from twinstile.platform.http.field_types import Zone
from twinstile.platform.http.json_pointers import Pointer
from twinstile.platform.ops import clock, config_files

PACKS: Final = Path(__file__).with_name("packs")
STATED: Final = frozenset(
    {
        CredentialStatus.GREEN,
        CredentialStatus.YELLOW,
        CredentialStatus.RED,
        CredentialStatus.UNDER_REVIEW,
        CredentialStatus.EXPIRED,
        CredentialStatus.NOT_FOUND,
        CredentialStatus.INVALID,
    }
)
"""What a provider can say of a code; the other words are ours."""


class Recipe(StrEnum):
    """How a request is signed. What is signed are its members sorted by name, `k=v` and `&`."""

    NONE = "NONE"
    HMAC_SHA256 = "HMAC-SHA256"
    HMAC_SM3 = "HMAC-SM3"
    RSA_SHA256 = "RSA-SHA256"
    """PKCS #1 v1.5 with a private key in PEM, in base64: the RSA2 of Alipay."""
    SHA256_CONCAT = "SHA256-CONCAT"
    """Legacy: the secret joins the members under a name of its own, then a bare digest."""
    MD5_CONCAT = "MD5-CONCAT"
    """Legacy, and only where a provider knows nothing better."""


def _stated(status: CredentialStatus) -> CredentialStatus:
    if status not in STATED:
        raise ValueError("not a word of a provider's")
    return status


Stated = Annotated[CredentialStatus, AfterValidator(_stated)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Template = Annotated[str, Field(max_length=500)]
Values = Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=50)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Asking(_Part):
    """What is sent. A table among the members is sent as JSON in a string.

    Templates hold `{text}`, `{nonce}`, `{timestamp}`, `{app_id}` and parameters of the hub.
    """

    path: str = Field(default="", pattern=r"^(/[A-Za-z0-9/._-]{0,200})?$")
    form: Literal["json", "form"] = "json"
    members: Annotated[dict[Name, Template | dict[Name, Template]], Field(max_length=30)]
    timestamp: Literal["seconds", "milliseconds", "local"] = "milliseconds"


class Signing(_Part):
    recipe: Recipe = Recipe.NONE
    place: Literal["member", "header"] = "member"
    name: Name = "sign"
    joined_as: Name = "secretKey"
    """Of the secret among the members, for the legacy digests. It is never sent."""
    upper: bool = False
    leave_empty_out: bool = False

    @property
    def joins(self) -> bool:
        """Whether the secret is among what is signed."""
        return self.recipe in (Recipe.SHA256_CONCAT, Recipe.MD5_CONCAT)


class AnswerCondition(_Part):
    """Where the answer has one of these values, it means that; asked in order."""

    at: Pointer
    values: Values = Field(min_length=1)
    means: Stated


class Answering(_Part):
    """Where an answer has what. Values are compared as JSON writes them, strings bare."""

    nested: Annotated[tuple[Pointer, ...], Field(max_length=4)] = ()
    """JSON in strings of the answer, from the outside in."""
    conditions: Annotated[tuple[AnswerCondition, ...], Field(max_length=50)] = ()
    ok_at: Pointer
    ok_values: Values = Field(min_length=1)
    colour_at: Pointer
    colours: Annotated[dict[Annotated[str, Field(max_length=64)], Stated], Field(min_length=1)]
    refreshed_at: Pointer | None = None
    refreshed_always: bool = True
    """False: an answer without it is judged without."""
    refreshed_within_s: int = Field(default=60, ge=1, le=86_400)
    """An older code is a screenshot: yellow at best."""
    valid_until: Pointer | None = None
    times: Literal["local", "iso", "seconds", "milliseconds"] = "local"
    """`local`: as 2026-11-28 08:15:30 in the profile's zone."""
    name_at: Pointer | None = None
    number_at: Pointer | None = None
    """Of the holder, perhaps with `*` in the place of characters."""


class ProviderProfile(_Part):
    profile: Name
    title: Annotated[dict[str, str], Field(min_length=1, max_length=20)]
    zone: Zone = "Asia/Shanghai"
    asking: Asking
    signing: Signing = Signing()
    answering: Answering

    @model_validator(mode="after")
    def _whole(self) -> Self:
        members = self.asking.members
        if self.signing.recipe is not Recipe.NONE:
            taken = {self.signing.name, self.signing.joined_as} & set(members)
            if taken:
                raise ValueError("the signature and the secret have names of their own")
        if not any("{text}" in template for template in templates(members)):
            raise ValueError("nothing asks about the {text} of a code")
        return self

    @cached_property
    def timezone(self) -> ZoneInfo:
        return clock.zone(self.zone)


def templates(members: Mapping[str, str | dict[str, str]]) -> list[str]:
    """Every template among members, those in tables too."""
    inner = ((one,) if isinstance(one, str) else one.values() for one in members.values())
    return [template for each in inner for template in each]


def load(name: str) -> ProviderProfile:
    """A pack by its name, or a file by its path with a / in it. Raises `InvalidFile`."""
    return config_files.toml(
        Path(name) if "/" in name else PACKS / f"{name}.toml", ProviderProfile
    )
