"""Online providers of health codes, played: each speaks its own protocol and fails as told.

They share no code with the service. A signature that does not fit is answered as a failure,
so that what the service sends is checked too. A code that no script knows is not found.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
from base64 import b64decode
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

CHINA = timezone(timedelta(hours=8))
DRIP_S = 0.2


class Fault(StrEnum):
    """How an answer goes wrong."""

    SLOW = "slow"  # whole, and after two seconds
    DRIP = "drip"  # a byte at a time
    BLACK_HOLE = "black-hole"  # the line stands and nothing comes
    ERROR_BODY = "error-body"  # HTTP 200, and a failure inside
    NOT_JSON = "not-json"  # where there is JSON in a string: there
    HTML = "html"  # a page of somebody's proxy
    FAILED = "failed"  # HTTP 503
    EXPIRED = "expired"
    CLOCK_SKEW = "clock-skew"  # its clock is an hour ahead


@dataclass(frozen=True, slots=True)
class Code:
    """What a provider knows of a code: the colour in its own value, and whose it is."""

    colour: object
    name: str = ""
    number: str = ""
    fault: Fault | None = None


Answer = tuple[int, str]
Render = Callable[[Code | None, datetime], Answer]


@dataclass(frozen=True, slots=True)
class Style:
    """A provider's protocol."""

    path: str
    text: Callable[[Mapping[str, str]], str]
    signature: Callable[[Mapping[str, str], Mapping[str, str], bytes], bool]
    render: Render


@dataclass(slots=True)
class Simulator:
    """A provider on a port of this machine."""

    style: Style
    secret: bytes
    codes: dict[str, Code] = field(default_factory=dict)
    port: int = 0
    asked: int = 0
    refused: int = 0
    """Requests whose signature did not fit."""
    _server: asyncio.Server | None = None
    _talks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._come, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hang up on everybody, and listen no more."""
        if self._server:
            self._server.close()
        for task in tuple(self._talks):
            task.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncGenerator[None]:
        """Be not there for as long as the block."""
        await self.stop()
        try:
            yield
        finally:
            await self.start()

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self.talk(reader, writer))
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)
        await asyncio.wait({task})

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after the other until the other side hangs up."""
        try:
            while True:
                target, headers, body = await _request(reader)
                self.asked += 1
                await self._answer(writer, target, headers, body)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(
        self,
        writer: asyncio.StreamWriter,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> None:
        kind = headers.get("content-type", "")
        json_body = kind.startswith("application/json")
        members: dict[str, str] = json.loads(body) if json_body else dict(_form(body))
        signed = self.style.signature(members, headers, self.secret)
        self.refused += not signed
        code = self.codes.get(self.style.text(members)) if signed else None
        if target != self.style.path:
            code = Code(None, fault=Fault.HTML)
        fault = code.fault if code else None
        status, said = self.style.render(code, datetime.now(UTC))
        match fault:
            case Fault.BLACK_HOLE:
                await asyncio.sleep(3600)
            case Fault.SLOW:
                await asyncio.sleep(2)
            case Fault.HTML:
                said = "<!doctype html><title>Sign in</title>"
            case Fault.FAILED:
                status = 503
            case _:
                pass
        head = f"HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\n"
        written = said.encode()
        writer.write(f"{head}Content-Length: {len(written)}\r\n\r\n".encode())
        for n in range(0, len(written), 1 if fault is Fault.DRIP else len(written)):
            piece = written[n : n + 1] if fault is Fault.DRIP else written
            writer.write(piece)
            await writer.drain()
            if fault is Fault.DRIP:
                await asyncio.sleep(DRIP_S)


@contextlib.asynccontextmanager
async def simulated(
    kind: str, secret: bytes, codes: Mapping[str, Code]
) -> AsyncGenerator[Simulator]:
    """A provider of a kind, see `STYLES`, until the block ends. `secret`: RSA: a public key."""
    here = Simulator(STYLES[kind], secret, dict(codes))
    await here.start()
    try:
        yield here
    finally:
        await here.stop()


async def _request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.split("\r\n")
    pairs = (one.partition(":") for one in fields if one)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return line.split(" ")[1], headers, body


def _form(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode(), keep_blank_values=True)


def _joined(members: Mapping[str, str], *without: str) -> bytes:
    kept = sorted((name, value) for name, value in members.items() if name not in without)
    return "&".join(f"{name}={value}" for name, value in kept).encode()


def _national_signed(members: Mapping[str, str], _: Mapping[str, str], secret: bytes) -> bool:
    wanted = hmac.new(secret, _joined(members, "sign"), "sm3").hexdigest()
    return hmac.compare_digest(members.get("sign", ""), wanted)


def _gate_signed(members: Mapping[str, str], _: Mapping[str, str], secret: bytes) -> bool:
    whole = {**members, "secretKey": secret.decode()}
    wanted = hashlib.sha256(_joined(whole, "sign")).hexdigest().upper()
    return "secretKey" not in members and members.get("sign") == wanted


def _alipay_signed(members: Mapping[str, str], _: Mapping[str, str], secret: bytes) -> bool:
    key = load_pem_public_key(secret)
    if not isinstance(key, RSAPublicKey):
        raise TypeError("an RSA key")
    signature = b64decode(members.get("sign", ""))
    try:
        key.verify(signature, _joined(members, "sign"), PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _rest_signed(members: Mapping[str, str], headers: Mapping[str, str], secret: bytes) -> bool:
    wanted = hmac.new(secret, _joined(members), "sha256").hexdigest()
    return hmac.compare_digest(headers.get("x-signature", ""), wanted)


def _national(code: Code | None, _: datetime) -> Answer:
    if code is None or code.fault is Fault.ERROR_BODY:
        return 200, json.dumps({"errcode": 40001, "errmsg": "FAIL", "data": None})
    content = {
        "person": {"desensitizeName": code.name, "desensitizeCardId": code.number},
        "healthyReport": [{"healthyStaus": code.colour}],
    }
    inner = json.dumps(content, ensure_ascii=False)
    if code.fault is Fault.NOT_JSON:
        inner = inner[:-3]
    return 200, json.dumps({"errcode": 0, "errmsg": "SUCCESS", "data": {"content": inner}})


def _gate(code: Code | None, now: datetime) -> Answer:
    if code is None or code.fault is Fault.ERROR_BODY:
        return 200, json.dumps({"errcode": 500, "errmsg": "system busy"})
    until = now + timedelta(days=-1 if code.fault is Fault.EXPIRED else 1)
    data: dict[str, object] = {
        "name": code.name,
        "certificate_id": code.number,
        "certificate_type": "10",
        "risk_assessment_grade": code.colour,
        "report_valid_date": f"{until.astimezone(CHINA):%Y-%m-%d %H:%M:%S}",
        "report_expired": False,
    }
    if code.fault is Fault.EXPIRED:
        data = {"qrcode_expired": True, "report_expired": False}
    said = json.dumps({"errcode": 0, "errmsg": "SUCCESS", "data": data}, ensure_ascii=False)
    return 200, said[:-2] if code.fault is Fault.NOT_JSON else said


def _alipay(code: Code | None, now: datetime) -> Answer:
    name = "alipay_ebpp_industry_gov_healthcode_verify_response"
    if code is None or code.fault is Fault.ERROR_BODY:
        failed = {"code": "20000", "msg": "Service Currently Unavailable"}
        return 200, json.dumps({name: failed, "sign": ""})
    refreshed = now.astimezone(CHINA) + _ahead(code)
    told = {
        "code": "10000",
        "msg": "Success",
        "code_color": code.colour,
        "user_name": code.name,
        "refresh_time": f"{refreshed:%Y-%m-%d %H:%M:%S}",
    }
    said = json.dumps({name: told, "sign": "c2lnbg=="}, ensure_ascii=False)
    return 200, said[:-2] if code.fault is Fault.NOT_JSON else said


def _rest(code: Code | None, now: datetime) -> Answer:
    if code is None:
        return 200, json.dumps({"ok": False, "error": "not-found"})
    if code.fault is Fault.ERROR_BODY:
        return 200, json.dumps({"ok": False, "error": "busy"})
    told = {
        "ok": True,
        "status": code.colour,
        "refreshed_at": (now + _ahead(code)).isoformat(),
        "valid_until": (now + timedelta(days=1)).isoformat(),
        "holder": {"name": code.name, "number": code.number},
    }
    said = json.dumps(told, ensure_ascii=False)
    return 200, said[:-2] if code.fault is Fault.NOT_JSON else said


def _ahead(code: Code) -> timedelta:
    hours = {Fault.CLOCK_SKEW: 1, Fault.EXPIRED: -24}
    return timedelta(hours=hours.get(code.fault, 0) if code.fault else 0)


STYLES: Mapping[str, Style] = {
    "cn-gbt38963": Style(
        "/userHealth/validateInfo",
        lambda members: members.get("bizExtData", ""),
        _national_signed,
        _national,
    ),
    "cn-province-gate": Style(
        "/health/decode", lambda members: members.get("code_content", ""), _gate_signed, _gate
    ),
    "alipay-gov": Style(
        "/gateway.do",
        lambda members: str(json.loads(members.get("biz_content", "{}")).get("code_content")),
        _alipay_signed,
        _alipay,
    ),
    "generic-rest": Style(
        "/verify", lambda members: members.get("code", ""), _rest_signed, _rest
    ),
}
"""By the profile that speaks to it."""


def pair() -> tuple[bytes, bytes]:
    """A private and a public RSA key in PEM."""
    key = generate_private_key(65537, 2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private, public
