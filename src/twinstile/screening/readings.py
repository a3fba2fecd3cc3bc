"""Temperatures: as a thermometer gives them, as a screening keeps them, as rules count them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, TypeAlias

from twinstile.policy.types import Parameters
from twinstile.screening.types import TemperatureMethod, TemperatureReading

MAX_READINGS: Final = 50

Taken: TypeAlias = tuple[int, str, int | None]
"""Tenths of a degree, method, and the thermometer's own error band if it is known."""


def tenths(value: float, unit: str) -> int:
    """A reading in tenths of a degree Celsius, °F converted (NIST SP 811, appendix B.8)."""
    celsius = (value - 32) / 1.8 if unit == "F" else value
    return round(celsius * 10)


def reading(
    value: float, unit: str, method: TemperatureMethod, at: datetime, error: float | None
) -> TemperatureReading:
    """A reading as the thermometer gave it; its error band in °C."""
    return TemperatureReading(tenths(value, unit), method, at, band(error))


def band(error: float | None) -> int | None:
    """An error band in °C as tenths."""
    return None if error is None else round(error * 10)


def bounded(readings: tuple[Taken, ...]) -> tuple[Taken, ...]:
    """At most `MAX_READINGS`, and never without the highest of each method."""
    if len(readings) <= MAX_READINGS:
        return readings
    peaks = {
        method: max((r for r in readings if r[1] == method), key=lambda r: r[0])
        for _, method, _ in readings
    }
    old = readings[: -(MAX_READINGS - len(TemperatureMethod))]
    return (*(r for r in peaks.values() if r in old), *readings[len(old) :])


def upper(reading: Taken, parameters: Parameters) -> int:
    """A reading in tenths with the error band of its thermometer, or of its method, added."""
    measured, method, error = reading
    return measured + (parameters.error_tenths.get(method, 0) if error is None else error)


def first_alarm(readings: Iterable[Taken], parameters: Parameters) -> int | None:
    """The first reading that alarms, in tenths as it was taken; None if none does."""
    alarming = (t for t in readings if upper(t, parameters) >= parameters.threshold_tenths)
    return next((tenths for tenths, _, _ in alarming), None)


def highest(readings: Iterable[Taken], parameters: Parameters) -> int | None:
    """The highest reading in tenths, its error band added; None if nothing was measured."""
    return max((upper(taken, parameters) for taken in readings), default=None)
