"""The words of arrivals."""

from enum import StrEnum


class Mode(StrEnum):
    """How people arrive."""

    RAIL = "RAIL"
    AIR = "AIR"
    SEA = "SEA"
    ROAD = "ROAD"


class Mark(StrEnum):
    """What the gate learns of somebody from departments: of an alert what to do, not why."""

    ALERT_STOP = "ALERT_STOP"
    ALERT_CHECK = "ALERT_CHECK"
    STATUS_RED = "STATUS_RED"
    CLOSE_CONTACT = "CLOSE_CONTACT"
    STATUS_YELLOW = "STATUS_YELLOW"


ALERTS = frozenset({Mark.ALERT_STOP, Mark.ALERT_CHECK})
