"""Bad input, as tables: what a broken, careless or hostile sender puts into a body.

Each row tells where the fault stands, the value as JSON text (Python could not write half of
these), and what the answer says of it. Text in it holds CANARY, so that answers and log can be
searched for it. `targets` says which route is sent what.
"""

import json
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import cast
from uuid import UUID

import people
from people import Json

CANARY = "KANARIENVOGEL"
NUMBER = people.resident_number(515, "19870605")
_PLACE = "the place of the raw text"


@dataclass(frozen=True, slots=True)
class Bytes:
    """A body that cannot be read as JSON, whatever route it is sent to."""

    name: str
    body: bytes = field(repr=False)
    slug: str = "invalid-request"
    content_type: str = "application/json"

    @property
    def status(self) -> int:
        """The status of the refusal."""
        return 415 if self.slug == "unsupported-media-type" else 400


@dataclass(frozen=True, slots=True)
class Fault:
    """A value its field refuses. `said_at` is where the answer points, if elsewhere."""

    at: str
    raw: str = field(repr=False)
    code: str
    said_at: str | None = None

    @property
    def told(self) -> dict[str, str]:
        """What the answer says of it."""
        pointer = self.at if self.said_at is None else self.said_at
        return {"pointer": pointer, "code": self.code}

    def below(self, pointer: str) -> "Fault":
        """The same fault in a body that stands inside another."""
        said = pointer + self.told["pointer"]
        return replace(self, at=pointer + self.at, said_at=said)

    def __str__(self) -> str:
        raw = self.raw if len(self.raw) < 40 else f"{self.raw[:20]}... {len(self.raw)}"
        return f"{self.at} {raw}".encode("ascii", "backslashreplace").decode()


def spoiled(body: Json, fault: Fault) -> bytes:
    """The body with the fault in it. The last member of the way to it may be new."""
    whole: dict[str, object] = {"": deepcopy(body)}
    *way, last = fault.at.split("/")
    inner: object = whole
    for part in way:
        inner = cast("list[object]", inner)[int(part)] if part.isdigit() else inner[part]
    if isinstance(inner, list):
        inner[int(last)] = _PLACE
    else:
        cast("dict[str, object]", inner)[last] = _PLACE
    return json.dumps(whole[""]).replace(json.dumps(_PLACE), fault.raw).encode()


def _deep(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


UNREADABLE = (
    Bytes("cut short", f'{{"name": "{CANARY}'.encode()),
    Bytes("no JSON", CANARY.encode()),
    Bytes("single quotes", f"{{'name': '{CANARY}'}}".encode()),
    Bytes("two values", b'{"a": 1} {"b": 2}'),
    Bytes("comma too many", b'{"a": 1,}'),
    Bytes("comment", f'{{"a": 1}} // {CANARY}'.encode()),
    Bytes("raw control character", f'{{"name": "{CANARY}\x01"}}'.encode()),
    Bytes("raw line feed", f'{{"name": "{CANARY}\n"}}'.encode()),
    Bytes("half an escape", b'{"name": "\\u12"}'),
    Bytes("quotes that never end", b"[]" * 40 + b'"' + b'\\"' * 400_000),
    Bytes("a key twice", f'{{"name": "a", "name": "{CANARY}"}}'.encode(), "duplicate-key"),
    Bytes("a key twice, once escaped", b'{"a": 1, "\\u0061": 2}', "duplicate-key"),
    Bytes("a key twice, deep inside", b'[{"b": {"c": 1, "c": 1}}]', "duplicate-key"),
    Bytes("raw NUL", f'{{"name": "{CANARY}\0"}}'.encode(), "invalid-encoding"),
    Bytes("GB 18030", '{"name": "张伟"}'.encode("gb18030"), "invalid-encoding"),
    Bytes("UTF-16", '{"name": 1}'.encode("utf-16"), "invalid-encoding"),
    Bytes("UTF-16, no mark", '{"name": 1}'.encode("utf-16-le"), "invalid-encoding"),
    Bytes("UTF-32", '{"name": 1}'.encode("utf-32"), "invalid-encoding"),
    Bytes("byte order mark", b'\xef\xbb\xbf{"name": 1}', "invalid-encoding"),
    Bytes("overlong NUL", b'{"name": "\xc0\x80"}', "invalid-encoding"),
    Bytes("surrogate as bytes", b'{"name": "\xed\xa0\x80"}', "invalid-encoding"),
    Bytes("33 levels", _deep(33), "too-deep"),
    Bytes("100,000 levels", _deep(100_000), "too-deep"),
    Bytes("100,000 arrays", b"[" * 100_000, "too-deep"),
    Bytes("100,001 commas", b"[" + b"1," * 100_001 + b"1]", "too-many-values"),
    Bytes("empty arrays", b"[" + b"[]," * 300_000 + b"1]", "too-many-values"),
    *(
        Bytes(content_type or "no type", b'{"name": 1}', "unsupported-media-type", content_type)
        for content_type in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/xml",
            "application/json; charset=gb18030",
            "",
        )
    ),
)

Rows = tuple[tuple[str, str], ...]
NUMBERS: Rows = (
    ("NaN", "out-of-range"),
    ("Infinity", "out-of-range"),
    ("-Infinity", "out-of-range"),
    ("1e999", "out-of-range"),
    ("-1e400", "out-of-range"),
    ("1" * 350, "out-of-range"),
    ("9" * 5000, "out-of-range"),
    ("-" + "9" * 5000, "out-of-range"),
    ("true", "invalid-format"),
    ('"39.5"', "invalid-format"),
    ("null", "invalid-format"),
    ("[39.5]", "invalid-format"),
)
COUNTS: Rows = (
    ("-1", "out-of-range"),
    (str(2**63), "out-of-range"),
    ("9" * 300, "out-of-range"),
    ("1.5", "invalid-format"),
    ("NaN", "invalid-format"),
    ("1e400", "out-of-range"),
    ("9" * 5000, "out-of-range"),
    ("-" + "9" * 5000, "out-of-range"),
    ("true", "invalid-format"),
    ('"1"', "invalid-format"),
)
TEXTS: Rows = (
    (f'"{CANARY}\\u0000"', "invalid-text"),
    (f'"{CANARY}\\ud800"', "invalid-text"),
    (f'"\\udc00{CANARY}"', "invalid-text"),
    (f'"{CANARY}\\u001b[31m"', "invalid-text"),
    (f'"{CANARY}\\r\\nSet-Cookie: a=b"', "invalid-text"),
    ('""', "too-short"),
    (f'"{CANARY * 20}"', "too-long"),
    ("5", "invalid-format"),
    ("true", "invalid-format"),
    (f'["{CANARY}"]', "invalid-format"),
    (f'{{"{CANARY}": 1}}', "invalid-format"),
)
WORDS: Rows = ((f'"{CANARY}"', "unknown-value"), ("5", "unknown-value"))
FLAGS: Rows = (("1", "invalid-format"), ('"yes"', "invalid-format"))
MOMENTS: Rows = (
    ('"2026-11-24T23:59:60Z"', "invalid-format"),
    ('"2026-11-30T22:59:60Z"', "invalid-format"),
    ('"2026-11-30T23:59:61Z"', "invalid-format"),
    ('"9999-12-31T23:59:60-14:00"', "invalid-format"),
    ('"2026-11-30T23:59:60+24:00"', "invalid-format"),
    ('"2026-11-24T24:00:00Z"', "invalid-format"),
    ('"2026-02-30T10:00:00Z"', "invalid-format"),
    ('"2026-11-24T10:00:00"', "invalid-format"),
    ('"2026-11-24T10:00:00+24:00"', "invalid-format"),
    ('"2026-11-24T10:00:00+99:99"', "invalid-format"),
    ('"2026-11-24"', "invalid-format"),
    ('"\\u0662\\u0660\\u0662\\u0666-11-24T10:00:00Z"', "invalid-format"),
    (f'"{CANARY}\\ud800"', "invalid-format"),
    ("1795510530", "invalid-format"),
    ("0.5", "invalid-format"),
    ("1e400", "invalid-format"),
    ("true", "invalid-format"),
    ('"0001-01-01T00:00:00Z"', "out-of-range"),
    ('"0001-01-01T00:00:00+14:00"', "out-of-range"),
    ('"9999-12-31T23:59:59Z"', "out-of-range"),
    ('"9999-12-31T23:59:59-14:00"', "out-of-range"),
)
DAYS: Rows = (
    ('"1990-02-30"', "invalid-format"),
    ('"19900101"', "invalid-format"),
    ('"1990-1-1"', "invalid-format"),
    ('"1990-01-01T00:00:00"', "invalid-format"),
    ('"0000-00-00"', "invalid-format"),
    (f'"{CANARY}"', "invalid-format"),
    ("0", "invalid-format"),
    ("1e999", "invalid-format"),
    ("true", "invalid-format"),
)
SERVICE_DAYS: Rows = (
    *DAYS,
    ('"0001-01-01"', "out-of-range"),
    ('"9999-12-31"', "out-of-range"),
)
IDS: Rows = (
    (f'"{CANARY}"', "invalid-format"),
    (f'"{CANARY}\\u0000"', "invalid-format"),
    ('"\\ud800"', "invalid-text"),
    ("5", "invalid-format"),
    (str(2**127), "invalid-format"),
    (f'"{UUID(int=0)}0"', "invalid-format"),
)
SLUGS: Rows = (
    ('"north 1"', "invalid-format"),
    ('"../north"', "invalid-format"),
    ('"north\\n"', "invalid-format"),
    (f'"{CANARY * 3}"', "invalid-format"),
    (f'"{CANARY}\\u0000"', "invalid-text"),
    ("7", "invalid-format"),
)
NO_BODIES: Rows = (
    ("[]", "invalid-format"),
    ("null", "invalid-format"),
    ("5", "invalid-format"),
    (f'"{CANARY}"', "invalid-format"),
)


def at(*pointers: str, of: Rows, said_at: str | None = None) -> Iterable[Fault]:
    """Each of the rows at each of the places."""
    return (Fault(pointer, raw, code, said_at) for pointer in pointers for raw, code in of)
