"""Providers of health codes that a hub asks over HTTP, one of every profile it knows."""

import json
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from twinstile_simulator.codes import Code, Fault, Simulator, simulated
from twinstile_simulator.showing import Condition, Holder

FOREIGN = "https://pay.example.org/q/"
"""What codes begin with that nobody here has anything to do with."""
_ANOTHERS = "7799**********0000"


@dataclass(frozen=True, slots=True)
class Office:
    """How a provider is spoken to, what its codes begin with, and its words for colours."""

    profile: str
    prefix: str
    words: Mapping[Condition, object]
    path: str = ""
    numbers: bool = True
    """It tells a number with stars and shares a secret; else it tells a name and wants RSA."""


_GRADES = {Condition.VALID: "00", Condition.YELLOW: "01", Condition.RED: "10"}
_NAMES = {Condition.VALID: "green", Condition.YELLOW: "yellow", Condition.RED: "red"}
OFFICES: Mapping[str, Office] = {
    "national": Office("cn-gbt38963", "GB38963:", _GRADES),
    "province": Office("cn-province-gate", "https://hc.example.org/", _GRADES),
    "city": Office(
        "alipay-gov",
        "CITY:",
        {**_NAMES, Condition.UNDECIDED: "init"},
        "/gateway.do",
        numbers=False,
    ),
    "partner": Office("generic-rest", "PARTNER:", _NAMES),
}
"""By the hub's name for them."""
PARTNER = "partner"
"""Who is away for a while."""

_FAULTS: Mapping[Condition, Fault] = {
    Condition.EXPIRED: Fault.EXPIRED,
    Condition.SCREENSHOT: Fault.EXPIRED,
    Condition.FAILING: Fault.FAILED,
    Condition.A_PAGE: Fault.HTML,
    Condition.SILENT: Fault.BLACK_HOLE,
}


@dataclass(frozen=True, slots=True)
class Providers:
    """Their servers, by name, and the hub's file about them."""

    file: Path
    servers: Mapping[str, Simulator]

    def issue(self, name: str, how: Condition, holder: Holder) -> str:
        """The text of a code of a provider; the provider knows what it is worth."""
        office, server = OFFICES[name], self.servers[name]
        text = office.prefix + secrets.token_hex(12)
        if how is not Condition.NOBODYS:
            server.codes[text] = _code(office, how, holder)
        return text

    @asynccontextmanager
    async def away(self) -> AsyncGenerator[None]:
        """Let the partner be away for as long as the block."""
        async with self.servers[PARTNER].away():
            yield


def _code(office: Office, how: Condition, holder: Holder) -> Code:
    good = office.words[Condition.VALID]
    colour = "?" if how is Condition.UNMAPPED else office.words.get(how, good)
    fault, starred = _FAULTS.get(how), f"{holder.whole[0]}*"
    if not office.numbers:
        name = starred if how is Condition.HALF_A_NAME else holder.whole
        return Code(colour, name, "", fault)
    number = holder.number
    masked = f"{number[:4]}{'*' * (len(number) - 8)}{number[-4:]}"
    return Code(colour, starred, _ANOTHERS if how is Condition.ANOTHERS else masked, fault)


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[Providers]:
    """Have all of them for as long as the block; secrets and the hub's file are in `folder`."""
    ours, theirs = pair()
    servers: dict[str, Simulator] = {}
    written: list[str] = []
    async with AsyncExitStack() as open_:
        for name, office in OFFICES.items():
            shared = secrets.token_hex(16).encode()
            own, other = (shared, shared) if office.numbers else (ours, theirs)
            secret = _kept(folder / f"{name}.secret", own)
            server = await open_.enter_async_context(simulated(office.profile, other, {}))
            servers[name] = server
            written.append(_configured(name, office, server.url, secret))
        file = _kept(folder / "providers.toml", "\n".join(written).encode())
        yield Providers(file, servers)


def _kept(file: Path, content: bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_bytes(content)
    return file


def _configured(name: str, office: Office, url: str, secret: Path) -> str:
    """How the hub is told of one; text in JSON's quotes is TOML's too."""
    members = {
        "name": name,
        "profile": office.profile,
        "url": url + office.path,
        "app_id": "demo-hub",
        "secret_file": str(secret),
        "prefixes": [office.prefix],
        "inside": True,
    }
    lines = [f"{member} = {json.dumps(told)}" for member, told in members.items()]
    return "\n".join(["[[provider]]", *lines, 'parameters = { city_code = "330100" }', ""])


def pair() -> tuple[bytes, bytes]:
    """A private and a public RSA key in PEM."""
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private, public
