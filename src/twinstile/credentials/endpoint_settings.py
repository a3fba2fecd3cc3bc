"""How an outside party of an operator's file is reached: https, but in our own network."""

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from twinstile.platform.http import outbound
from twinstile.platform.http.outbound import CONNECT_S, Endpoint
from twinstile.platform.ops.config_files import InvalidFile


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


Url = Annotated[str, Field(max_length=500), AfterValidator(_address)]


class EndpointSettings(BaseModel):
    """Where they are, whom to believe and who we are."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: Url
    inside: bool = False
    """It is reached in our own network, at a private address."""
    proxy: Url | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    certificate_key_file: Path | None = None

    @model_validator(mode="after")
    def _sheltered(self) -> Self:
        if not self.inside and urlsplit(self.url).scheme != "https":
            raise ValueError("what is outside is asked over https")
        if (self.certificate_file is None) != (self.certificate_key_file is None):
            raise ValueError("certificate_file and certificate_key_file go together")
        return self

    def line(
        self, within_s: float, most_bytes: int, connect_s: float = CONNECT_S, at_once: int = 1
    ) -> Endpoint:
        """Raises `InvalidFile`."""
        files = (self.ca_file, self.certificate_file, self.certificate_key_file)
        try:
            tls = (
                outbound.tls_context(*(str(one) if one else None for one in files))
                if any(files)
                else None
            )
        except (OSError, ValueError):
            raise InvalidFile("the files of certificates cannot be used") from None
        return Endpoint(
            within_s=within_s,
            most_bytes=most_bytes,
            inside=self.inside,
            tls=tls,
            proxy=self.proxy,
            connect_s=connect_s,
            at_once=at_once,
            kept=at_once,
        )
