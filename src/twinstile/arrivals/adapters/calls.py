"""How one outside party is called over HTTP: where, and by what it knows us."""

import datetime as dt
import json
import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Annotated, Final, Self, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from twinstile.arrivals.transport import FeedFault, FilePath, TransportSettings, secret
from twinstile.platform.http import outbound, request_signatures
from twinstile.platform.http.outbound import Endpoint, Outbound, OutboundAnswer
from twinstile.platform.http.request_signatures import Algorithm, SharedKey

LONGEST_WAIT_S: Final = 86_400.0


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an address with http or https")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("no credentials and no fragment in an address")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("in ASCII, other characters with %")
    _ = parts.port
    return url


Url = Annotated[str, Field(max_length=2000), AfterValidator(_address)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class CallSettings(TransportSettings):
    url: Url
    inside: bool = False
    """They are reached in our own network, at a private address."""
    proxy: Url | None = None
    ca_file: FilePath | None = None
    certificate_file: FilePath | None = None
    certificate_key_file: FilePath | None = None
    token_file: FilePath | None = None
    """Sent in `auth_header`, after `auth_scheme` and a space."""
    auth_header: Name = "Authorization"
    auth_scheme: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{0,64}$")] = "Bearer"
    key_id: Name | None = None
    key_file: FilePath | None = None
    algorithm: Algorithm = Algorithm.HMAC_SHA256

    @model_validator(mode="after")
    def _known_by(self) -> Self:
        if (self.key_id is None) != (self.key_file is None):
            raise ValueError("key_id and key_file go together")
        if (self.certificate_file is None) != (self.certificate_key_file is None):
            raise ValueError("certificate_file and certificate_key_file go together")
        if not request_signatures.computable(self.algorithm):
            raise ValueError("this machine's OpenSSL has no such algorithm")
        return self


class Calls:
    """Calls to them; connections are kept between them.

    Raises `FeedFault` where a file of a secret or certificate cannot be used.
    """

    def __init__(self, settings: CallSettings, most_bytes: int) -> None:
        self._settings = settings
        file = settings.token_file
        self._token = secret(file).decode("ascii", "replace") if file else None
        self._key = _key(settings)
        line = Endpoint(
            within_s=settings.within_s,
            most_bytes=most_bytes,
            inside=settings.inside,
            tls=_tls(settings),
            proxy=settings.proxy,
        )
        self._line = Outbound(line)

    async def call(
        self, method: str, url: str, headers: Mapping[str, str], now: dt.datetime, body: bytes
    ) -> OutboundAnswer:
        """The answer, whatever its status. Raises `CallFault`."""
        known = dict(headers)
        if self._token is not None:
            told = f"{self._settings.auth_scheme} {self._token}".strip()
            known[self._settings.auth_header] = told
        if self._key is not None:
            parts = urlsplit(url)
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            known |= request_signatures.headers(self._key, method, target, body, now)
        return await self._line.call(method, url, known, body)

    async def close(self) -> None:
        await self._line.close()


def _key(settings: CallSettings) -> SharedKey | None:
    if settings.key_id is None or settings.key_file is None:
        return None
    try:
        return SharedKey(settings.key_id, secret(settings.key_file), settings.algorithm)
    except ValueError:
        raise FeedFault("secret-unreadable") from None


def _tls(settings: CallSettings) -> ssl.SSLContext | None:
    files = (settings.ca_file, settings.certificate_file, settings.certificate_key_file)
    if not any(files):
        return None
    try:
        return outbound.tls_context(*(str(one) if one else None for one in files))
    except (OSError, ValueError):
        raise FeedFault("certificate-unreadable") from None


def parse_json(body: bytes) -> object:
    """A body as JSON. Raises `FeedFault`."""
    try:
        return cast("object", json.loads(body))
    except (ValueError, RecursionError):
        raise FeedFault("not-json") from None


def text_of_json(value: object) -> str:
    """What stands there, as text."""
    return value if isinstance(value, str) else json.dumps(value)


def retry_after(headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """Seconds to wait: as they are told, or up to a moment by the department's own clock."""
    told = headers.get("retry-after", "").strip()
    if told.isascii() and told.isdigit():
        return min(float(told[:12]), LONGEST_WAIT_S)
    until = _moment(told)
    if until is None:
        return None
    wait = (until - (_moment(headers.get("date", "")) or now)).total_seconds()
    return min(max(wait, 0.0), LONGEST_WAIT_S)


def _moment(text: str) -> dt.datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
