"""The words of arrivals."""

from enum import StrEnum


class Mode(StrEnum):
    """How people arrive."""

    RAIL = "RAIL"
    AIR = "AIR"
    SEA = "SEA"
    ROAD = "ROAD"
