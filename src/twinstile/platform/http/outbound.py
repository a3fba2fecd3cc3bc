"""Calls to others over HTTP, by the rules of a house that trusts nobody's answer.

No redirects, no cookies, nothing from the environment. The address a name resolves to is looked
at before it is connected to, and is the one that is connected to: a name cannot lead inside.
The whole call has one deadline, the answer one size.
"""

import asyncio
import importlib
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

import httpx2

CONNECT_S: Final = 2.0
MOST_HEADERS: Final = 100
MOST_ADDRESSES: Final = 3
AT_ONCE: Final = 4
NAT64: Final = ip_network("64:ff9b::/96")

Address = IPv4Address | IPv6Address


class CallFault(Exception):
    """A call without a usable answer; `reason` is a word of ours: no address, no content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason: str = reason


@dataclass(frozen=True, slots=True)
class OutboundAnswer:
    """What came back: header names in lower case, the body as it was sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How others are called. `inside`: they are in our own network, and only known by it."""

    within_s: float
    most_bytes: int
    inside: bool = False
    tls: ssl.SSLContext | None = None
    proxy: str | None = None
    connect_s: float = CONNECT_S
    at_once: int = AT_ONCE
    """Connections; who finds none free waits, within the deadline."""
    kept: int = 1
    """Connections that stay open between calls."""


_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (httpx2.ProxyError, "proxy-failed"),
    (httpx2.ConnectTimeout, "connect-timeout"),
    (httpx2.ConnectError, "connect-failed"),
    (httpx2.TimeoutException, "timeout"),
    (httpx2.RemoteProtocolError, "answer-broken"),
    (httpx2.NetworkError, "connection-lost"),
    (httpx2.HTTPError, "call-failed"),
)


_LATER: Final = ("anyio._backends._asyncio", "encodings.idna")
"""What the first call would load: a twentieth of a second in which no lane is answered."""


class Outbound:
    """Calls along one line; connections are kept between them."""

    def __init__(self, line: Endpoint) -> None:
        for name in _LATER:
            importlib.import_module(name)
        self._line = line
        self._http = httpx2.AsyncHTTPTransport(
            verify=line.tls or ssl.create_default_context(),
            trust_env=False,
            proxy=line.proxy,
            limits=httpx2.Limits(
                max_connections=line.at_once, max_keepalive_connections=line.kept
            ),
        )
        # a question for a name cannot be taken back: those of a dead line wait by themselves
        self._names = ThreadPoolExecutor(max_workers=2, thread_name_prefix="names")

    async def call(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> OutboundAnswer:
        """The answer, whatever its status. Raises `CallFault`."""
        try:
            async with asyncio.timeout(self._line.within_s):
                return await self._call(method, httpx2.URL(url), headers, body)
        except TimeoutError:
            raise CallFault("timeout") from None
        except httpx2.HTTPError as error:
            raise CallFault(_reason(error)) from None

    async def close(self) -> None:
        await self._http.aclose()
        self._names.shutdown(wait=False, cancel_futures=True)

    async def _call(
        self, method: str, url: httpx2.URL, headers: Mapping[str, str], body: bytes
    ) -> OutboundAnswer:
        limits = dict.fromkeys(("read", "write", "pool"), self._line.within_s)
        extensions: dict[str, object] = {"timeout": limits | {"connect": self._line.connect_s}}
        request = httpx2.Request(
            method, url, headers=headers, content=body, extensions=extensions
        )
        response = await self._send(request)
        try:
            return await self._read(response)
        finally:
            await response.aclose()

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        if self._line.proxy is not None:
            return await self._http.handle_async_request(request)
        url = request.url
        # the name stays in the head, and is the one the certificate has to have
        request.extensions["sni_hostname"] = url.host
        *others, last = await self._resolve(url)
        for address in others:
            request.url = url.copy_with(host=address)
            try:
                return await self._http.handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        request.url = url.copy_with(host=last)
        return await self._http.handle_async_request(request)

    async def _resolve(self, url: httpx2.URL) -> list[str]:
        """Addresses of the host. Raises `CallFault` if one of them is where it must not be."""
        loop = asyncio.get_running_loop()
        try:
            addresses = await loop.run_in_executor(self._names, _addresses, url.host)
        except (OSError, UnicodeError):
            raise CallFault("name-unknown") from None
        if not addresses or not all(self._allowed(one) for one in addresses):
            raise CallFault("address-refused")
        return list(dict.fromkeys(addresses))[:MOST_ADDRESSES]

    def _allowed(self, text: str) -> bool:
        """Outside: what all the world reaches. Inside: also private, but never link-local."""
        try:
            address = _behind(ip_address(text))
        except ValueError:
            return False
        if address.is_multicast or address.is_link_local or address.is_unspecified:
            return False
        return address.is_global or self._line.inside

    async def _read(self, response: httpx2.Response) -> OutboundAnswer:
        told = response.headers.get("content-length", "0")
        if told.isascii() and told.isdigit() and int(told[:20]) > self._line.most_bytes:
            raise CallFault("too-large")
        parts: list[bytes] = []
        size = 0
        async for part in response.aiter_raw():
            size += len(part)
            if size > self._line.most_bytes:
                raise CallFault("too-large")
            parts.append(part)
        known = list(response.headers.items())[:MOST_HEADERS]
        return OutboundAnswer(response.status_code, dict(known), b"".join(parts))


def _addresses(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


def _behind(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that only wraps it."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _reason(error: Exception) -> str:
    """Our word for an error of the library; TLS is told apart by what caused it.

    Only before anything is sent: later it is a connection that was lost.
    """
    cause: BaseException | None = error if isinstance(error, httpx2.ConnectError) else None
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "tls-failed"
        cause = cause.__cause__ or cause.__context__
    return next(word for kind, word in _REASONS if isinstance(error, kind))


def tls_context(
    ca: str | None = None, certificate: str | None = None, key: str | None = None
) -> ssl.SSLContext:
    """Verify against that authority only, and show that certificate. Raises `OSError`."""
    context = ssl.create_default_context(cafile=ca)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context
