"""What a traveller holds: a receipt that opens the report, and a pass that only shows.

The pass is made of the receipt and leads nowhere back: whoever photographs the square at a gate
can show it again, and reads nothing by it. The hub keeps digests of both.
"""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from twinstile.platform.keys.ciphers import keyed_digest, token_digest
from twinstile.platform.security.auth import TokenKind

_BYTES: Final = 16
_RECEIPT = re.compile(r"[A-Z2-7]{26}")
_HUB = re.compile(r"[!-~]{1,64}")
_BETWEEN = re.compile(r"[\s-]+")
_SHORT = re.compile(r"[0-9]{8}")
PASS: Final = "TWD1"  # noqa: S105 # no secret
"""What a pass begins with, so that a scanner's text is told from others."""
SHOWN_PATTERN: Final = r"^([Tt][Ww][Dd]1[A-Za-z2-7]{26}|[0-9]{4}[ -]?[0-9]{4})$"
"""A pass as scanned, or the eight digits of a slip as typed."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The 128 bits that open one report, as 26 characters."""

    text: str = field(repr=False)

    @property
    def digest(self) -> bytes:
        """What is kept of it."""
        return token_digest(self.text)

    @property
    def pass_code(self) -> str:
        """The text of the square that gates read: 30 characters."""
        made = hashlib.sha256(b"twinstile pass 1\0" + self.text.encode()).digest()
        return PASS + _base32(made[:_BYTES])

    def token(self, hub_id: str) -> str:
        """As the API takes it."""
        return f"{TokenKind.RECEIPT}.{hub_id}.{self.text}"

    @property
    def spelled(self) -> str:
        """As people read it, in groups of four."""
        return " ".join(self.text[at : at + 4] for at in range(0, len(self.text), 4))


def receipt(day_key: bytes, key: UUID) -> Receipt:
    """The receipt for a sender's key: the same for as long as the day's key is the same.

    So an answer that was lost is given again, and nothing that opens it needs to be kept.
    """
    return Receipt(_base32(keyed_digest(day_key, "receipt", key.bytes)[:_BYTES]))


def read_token(token: str) -> tuple[str, Receipt] | None:
    """The hub and the receipt of a bearer token; None if it is none."""
    kind, _, rest = token.partition(".")
    hub_id, _, text = rest.rpartition(".")
    if kind != TokenKind.RECEIPT or not _HUB.fullmatch(hub_id) or not _RECEIPT.fullmatch(text):
        return None
    return hub_id, Receipt(text)


def read_typed(typed: str, hub_id: str) -> tuple[str, Receipt] | None:
    """The same of what somebody typed: a whole token, or the groups that stand on a slip."""
    known = read_token(typed.strip())
    if known:
        return known
    text = _BETWEEN.sub("", typed).upper()
    return (hub_id, Receipt(text)) if _RECEIPT.fullmatch(text) else None


def read_shown(presented: str) -> str:
    """The one spelling of a pass or of eight digits, see `SHOWN_PATTERN`."""
    return _BETWEEN.sub("", presented).upper()


def pass_digest(code: str) -> bytes:
    """What is kept of a pass."""
    return token_digest(code)


def is_short(code: str) -> bool:
    """Whether these are eight digits whose last one guards the others."""
    return bool(_SHORT.fullmatch(code)) and code[-1] == _check_digit(code[:-1])


def short_code() -> str:
    """Eight digits to type where the square cannot be read: seven, and one that guards them.

    Not a secret: only staff can ask by it, few times, and it opens no report.
    """
    digits = f"{secrets.randbelow(10**7):07}"
    return digits + _check_digit(digits)


def _check_digit(digits: str) -> str:
    """ISO/IEC 7064, MOD 11,10: notices every single wrong digit."""
    product = 10
    for digit in digits:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return str((11 - product) % 10)


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=")
