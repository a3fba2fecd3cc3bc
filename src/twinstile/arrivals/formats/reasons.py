"""Why a row or a delivery cannot be used: the codes, and the texts people read.

Texts are in `fault_texts.json`, in English and Chinese. They say what to change at the sender
or what to look at; they hold no value of the row.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias

import orjson

Text: TypeAlias = Mapping[str, str]
"""The same words in each language, by its tag."""


class RejectReason(StrEnum):
    # of a whole delivery
    EMPTY = "empty"
    HTML = "html"
    NOT_A_TABLE = "not-a-table"
    COMPRESSED = "compressed"
    CHARSET = "charset"
    PASSWORD = "password"  # noqa: S105 -- a reason
    DAMAGED = "damaged"
    TOO_LARGE = "too-large"
    NO_HEADER = "no-header"
    NO_DATA = "no-data"
    ERROR_ANSWER = "error-answer"
    TRUNCATED = "truncated"
    NOT_EDIFACT = "not-edifact"
    NOT_GTFS = "not-gtfs"
    NOT_GTFS_RT = "not-gtfs-rt"
    NO_STOPS = "no-stops"
    # of a row
    MALFORMED = "malformed-row"
    TOO_LONG = "too-long"
    EXTRA_CELLS = "extra-cells"
    MISSING = "missing-value"
    INVALID = "invalid-value"
    UNKNOWN_VALUE = "unknown-value"
    NOT_SPECIFIED = "not-specified"
    IMPLAUSIBLE_DATE = "implausible-date"
    NUMBER_DESTROYED = "number-destroyed"
    NUMBER_MASKED = "number-masked"
    NO_KEY = "no-key"
    NO_FLIGHT = "no-flight"
    NOT_HERE = "not-here"
    NO_TIME = "no-time"
    NO_LEGAL_BASIS = "no-legal-basis"
    NO_HEALTH_REASON = "no-health-reason"
    NO_END = "no-end"
    VALID_TOO_LONG = "valid-too-long"
    # of a row that was read
    SYNTHETIC_DOCUMENT = "synthetic-document"
    RUN_CLOSED = "run-closed"
    PERIOD = "implausible-period"
    NOT_STORABLE = "not-storable"
    # of a delivery that was
    KEY_GONE = "key-gone"
    FAILED = "failed"


TEXTS: Final[Mapping[str, Text]] = orjson.loads(
    Path(__file__).with_name("fault_texts.json").read_bytes()
)


def text_of(code: str) -> Text:
    """The text for a reason, a fault of a feed or a condition; a general one if it has none."""
    return TEXTS.get(code, TEXTS["unknown"])
