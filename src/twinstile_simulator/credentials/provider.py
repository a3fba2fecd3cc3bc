"""A provider of health codes that a hub asks over HTTP, by the `generic-rest` profile."""

import hmac
import json
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from twinstile_simulator.credentials.issuer import CertificateIssuer
from twinstile_simulator.credentials.presentations import (
    CERTIFICATE,
    FOREIGN,
    PROVIDER,
    CredentialCondition,
    CredentialHolder,
)
from twinstile_simulator.departments.http_server import DepartmentServer, HttpReply, HttpRequest

_PREFIX = "PARTNER:"
_FOREIGN_PREFIX = "https://pay.example.org/q/"


@dataclass(slots=True)
class CodeProvider:
    """Issues codes, and answers a hub that asks what one is worth."""

    secret: bytes
    server: DepartmentServer = field(init=False)
    _codes: dict[str, tuple[CredentialCondition, CredentialHolder]] = field(
        default_factory=dict[str, tuple[CredentialCondition, CredentialHolder]]
    )

    def __post_init__(self) -> None:
        self.server = DepartmentServer(self._answer)

    def issue(self, how: CredentialCondition, holder: CredentialHolder) -> str:
        """Issue a code in a condition; returns its text."""
        if how is CredentialCondition.FOREIGN:
            return _FOREIGN_PREFIX + secrets.token_hex(12)
        text = _PREFIX + secrets.token_hex(12)
        if how is not CredentialCondition.NOT_ISSUED:
            self._codes[text] = how, holder
        return text

    def _answer(self, question: HttpRequest) -> HttpReply | None:
        members = cast("dict[str, str]", json.loads(question.body))
        signed = "&".join(f"{name}={members[name]}" for name in sorted(members)).encode()
        expected = hmac.new(self.secret, signed, "sha256").hexdigest()
        if not hmac.compare_digest(question.headers.get("x-signature", ""), expected):
            return HttpReply("401 Unauthorized")
        how, holder = self._codes.get(members["code"], (None, None))
        if how is CredentialCondition.SILENT:
            return None
        if how is CredentialCondition.FAILING:
            return HttpReply("503 Service Unavailable")
        if holder is None:
            return _write({"ok": False, "error": "not-found"})
        now, number = datetime.now(UTC), holder.number
        masked = f"{number[:4]}{'*' * (len(number) - 8)}{number[-4:]}"
        other = how is CredentialCondition.OTHER_PERSON
        return _write(
            {
                "ok": True,
                "status": "red" if how is CredentialCondition.RED else "green",
                "refreshed_at": now.isoformat(),
                "valid_until": (now + timedelta(days=1)).isoformat(),
                "holder": {
                    "name": f"{holder.full_name[0]}*",
                    "number": "7799**********0000" if other else masked,
                },
            }
        )


def _write(content: dict[str, object]) -> HttpReply:
    body = json.dumps(content, ensure_ascii=False).encode()
    return HttpReply("200 OK", body, {"Content-Type": "application/json"})


@dataclass(frozen=True, slots=True)
class CredentialIssuers:
    """Who issues credentials, and the hub's file about the provider."""

    provider: CodeProvider
    providers_file: Path
    certificates: CertificateIssuer = field(default_factory=CertificateIssuer)

    def issue(self, source: str, how: CredentialCondition, holder: CredentialHolder) -> str:
        """Issue a credential; returns the text that is presented."""
        if source == CERTIFICATE:
            return self.certificates.issue(how, holder)
        if source not in {PROVIDER, FOREIGN}:
            raise ValueError(source)
        return self.provider.issue(how, holder)


@asynccontextmanager
async def open_issuers(folder: Path) -> AsyncGenerator[CredentialIssuers]:
    """Run the provider until the block ends; its secret and the hub's file are in `folder`."""
    secret = _write_file(folder / "partner.secret", secrets.token_hex(16))
    provider = CodeProvider(secret.read_bytes())
    await provider.server.start()
    file = _write_file(folder / "providers.toml", _describe(provider.server.url, secret))
    try:
        yield CredentialIssuers(provider, file)
    finally:
        await provider.server.stop()


def _write_file(file: Path, content: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(content)
    return file


def _describe(url: str, secret: Path) -> str:
    """How the hub is told of the provider; text in the quotes of JSON is text in TOML too."""
    members = {
        "name": PROVIDER,
        "profile": "generic-rest",
        "url": url,
        "app_id": "demo-hub",
        "secret_file": str(secret),
        "prefixes": [_PREFIX],
        "inside": True,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in members.items()]
    return "\n".join(["[[provider]]", *lines, ""])
