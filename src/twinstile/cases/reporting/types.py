"""The words of reporting, and the legal times: pure."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final


class Within(StrEnum):
    """How soon the law wants the report (National CDA, reporting norm of 2026)."""

    TWO_HOURS = "TWO_HOURS"  # class A, B managed as A, new or of unknown cause, outbreaks
    ONE_DAY = "ONE_DAY"  # other B and C, carriers as ordered


class CaseClass(StrEnum):
    """How sure the diagnosis is, as on the report card of 2019."""

    SUSPECTED = "SUSPECTED"
    CLINICAL = "CLINICAL"
    CONFIRMED = "CONFIRMED"
    CARRIER = "CARRIER"


LIMITS: Final[Mapping[Within, timedelta]] = {
    Within.TWO_HOURS: timedelta(hours=2),
    Within.ONE_DAY: timedelta(hours=24),
}
WARNED_BEFORE: Final = timedelta(minutes=30)
"""How long before the legal deadline it rings for the first time."""
