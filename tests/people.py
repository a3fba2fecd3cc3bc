"""Invented people and the facts a tablet would send of them."""

import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from twinstile.identity.documents import check_character

_serial = itertools.count(1)
Json = dict[str, object]


def resident_number(serial: int | None = None, born: str = "19900101") -> str:
    """A resident ID number that belongs to nobody: no division begins with 77."""
    digits = f"770101{born}{(serial or next(_serial)) % 1000:03}"
    return digits + check_character(digits)


def possible_number() -> str:
    """A number somebody could have: of a district there is, but of the year 1899."""
    digits = f"33010618990605{next(_serial) % 1000:03}"
    return digits + check_character(digits)


def now() -> str:
    return datetime.now(UTC).isoformat()


def ago(**parts: float) -> str:
    return (datetime.now(UTC) - timedelta(**parts)).isoformat()


def document(number: str | None = None, **more: object) -> Json:
    return {
        "kind": "RESIDENT_ID",
        "number": number or resident_number(),
        "name": "张伟",
        **more,
    }


def fact(number: str | None = None, celsius: float | None = 36.5, **more: object) -> Json:
    """A check that passes, unless told otherwise; a part set to None is left out."""
    whole: Json = {
        "observed_at": now(),
        "temperature": celsius and {"value": celsius, "method": "WALK_THROUGH"},
        "credential": {"status": "GREEN"},
        "identity": {"document": document(number), "result": "MATCH"},
        "reminders": ["R2"],
        "services": [
            {"kind": "S1", "outcome": "OFFERED"},
            {"kind": "S2", "outcome": "DECLINED"},
        ],
        **more,
    }
    return {name: part for name, part in whole.items() if part is not None}


def check(
    counter: int = 1, number: str | None = None, celsius: float | None = 36.5, **more: object
) -> Json:
    """The same, as sent by itself."""
    return {**fact(number, celsius, **more), "counter": counter, "sent_at": now()}


def new_id() -> UUID:
    return uuid7()
