"""Where everything stands on the wall chart of a screening: boxes, rows and lines.

Written by hand, because a layout engine finds a short picture and not a readable one. Units are
those of the drawing, about 0.24 mm on A2. Every way out is a row of its box; lines repeat the
ways most travellers go, the others are followed by the number of their target. That no line
touches a foreign box and no two boxes touch is tested.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from twinstile.screening.stages import MACHINE
from twinstile.screening.types import ScreeningEvent, ScreeningState

WIDTH: Final = 2520
HEIGHT: Final = 1782
ROW: Final = 30
FIRST_ROW: Final = 123
"""From the top of a box to the middle of its first row."""
OPEN_WIDTH: Final = 420
END_WIDTH: Final = 280
END_HEIGHT: Final = 76

_S = ScreeningState
_E = ScreeningEvent
Point = tuple[int, int]


class Side(StrEnum):
    LEFT = "left"
    RIGHT = "right"
    TOP = "top"
    BOTTOM = "bottom"


@dataclass(frozen=True, slots=True)
class Box:
    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def bottom(self) -> int:
        return self.y + self.height


@dataclass(frozen=True, slots=True)
class Line:
    """A line from a row to the box of its target.

    It leaves sideways; `via` are the x, y, x, … at which it turns, then it enters at `at`, an y
    on the left or right side of the target and an x on its top or bottom.
    """

    leaves: Side
    via: tuple[int, ...]
    enters: Side
    at: int


PLACES: Final[Mapping[ScreeningState, Point]] = {
    _S.EXPECTED: (70, 150),
    _S.PRESENTED: (576, 150),
    _S.VERIFYING: (1112, 150),
    _S.DEFERRED: (1658, 363),
    _S.TRANSIT_HELD: (70, 750),
    _S.ASSISTED: (576, 750),
    _S.SECONDARY: (1112, 750),
    _S.HELD: (1658, 750),
    _S.REFUSAL: (576, 1250),
    _S.RETURN_PENDING: (1112, 1250),
    _S.CLEARED: (2206, 235),
    _S.CLEARED_CONDITIONAL: (2206, 335),
    _S.CLEARED_TRANSIT: (2206, 435),
    _S.DEFERRED_UNRESOLVED: (2206, 535),
    _S.HANDED_OVER: (2206, 840),
    _S.ABANDONED: (2206, 945),
    _S.DENIED: (2206, 1050),
    _S.RETURNED: (2206, 1395),
    _S.NO_SHOW: (70, 1250),
    _S.VOID: (70, 1350),
}

_LEFT, _RIGHT, _TOP, _BOTTOM = Side.LEFT, Side.RIGHT, Side.TOP, Side.BOTTOM

LINES: Final[Mapping[tuple[ScreeningState, ScreeningEvent], Line]] = {
    (_S.EXPECTED, _E.PRESENT): Line(_RIGHT, (), _LEFT, 273),
    (_S.EXPECTED, _E.TRANSIT_DECLARED): Line(_RIGHT, (508, 690), _TOP, 280),
    (_S.EXPECTED, _E.RUN_CLOSED): Line(_LEFT, (48,), _LEFT, 1288),
    (_S.EXPECTED, _E.VOID): Line(_LEFT, (26,), _LEFT, 1388),
    (_S.TRANSIT_HELD, _E.EXIT_CHOSEN): Line(_RIGHT, (530,), _LEFT, 318),
    (_S.TRANSIT_HELD, _E.MISSED): Line(_RIGHT, (530,), _LEFT, 318),
    (_S.TRANSIT_HELD, _E.ALARM): Line(_RIGHT, (508,), _LEFT, 1090),
    (_S.PRESENTED, _E.EVIDENCE_COMPLETE): Line(_RIGHT, (), _LEFT, 273),
    (_S.PRESENTED, _E.ALARM): Line(_RIGHT, (1036,), _LEFT, 800),
    (_S.PRESENTED, _E.ASSIST_NEEDED): Line(_RIGHT, (1014, 690), _TOP, 786),
    (_S.PRESENTED, _E.REFUSE): Line(_LEFT, (552,), _LEFT, 1300),
    (_S.ASSISTED, _E.EVIDENCE_COMPLETE): Line(_RIGHT, (1060,), _LEFT, 330),
    (_S.ASSISTED, _E.ALARM): Line(_RIGHT, (), _LEFT, 903),
    (_S.ASSISTED, _E.TIMEOUT): Line(_RIGHT, (), _LEFT, 933),
    (_S.ASSISTED, _E.REFUSE): Line(_LEFT, (552,), _LEFT, 1300),
    (_S.VERIFYING, _E.PASS): Line(_RIGHT, (), _LEFT, 273),
    (_S.VERIFYING, _E.PASS_WITH_CONDITIONS): Line(_RIGHT, (2182,), _LEFT, 373),
    (_S.VERIFYING, _E.TRANSIT_OK): Line(_RIGHT, (2160,), _LEFT, 473),
    (_S.VERIFYING, _E.PROVIDER_UNAVAILABLE_LOW_RISK): Line(_RIGHT, (1580,), _LEFT, 410),
    (_S.VERIFYING, _E.FUSE_RELEASE): Line(_RIGHT, (1580,), _LEFT, 410),
    (_S.VERIFYING, _E.FLAG): Line(_RIGHT, (1556, 640), _TOP, 1322),
    (_S.VERIFYING, _E.PROVIDER_UNAVAILABLE): Line(_RIGHT, (1556, 640), _TOP, 1322),
    (_S.VERIFYING, _E.TIMEOUT): Line(_RIGHT, (1556, 640), _TOP, 1322),
    (_S.VERIFYING, _E.ASSIST_NEEDED): Line(_LEFT, (1088, 690), _TOP, 786),
    (_S.SECONDARY, _E.RECHECK_NORMAL): Line(_RIGHT, (1556, 662, 2100), _LEFT, 273),
    (_S.SECONDARY, _E.RECHECK_NORMAL_CONDITIONS): Line(_RIGHT, (1578, 684, 2119), _LEFT, 373),
    (_S.SECONDARY, _E.TRANSIT_OK): Line(_RIGHT, (1600, 706, 2138), _LEFT, 473),
    (_S.SECONDARY, _E.CONFIRMED_ABNORMAL): Line(_RIGHT, (), _LEFT, 963),
    (_S.SECONDARY, _E.TIMEOUT): Line(_RIGHT, (1590,), _LEFT, 963),
    (_S.SECONDARY, _E.REFUSE): Line(_LEFT, (1036,), _RIGHT, 1300),
    (_S.SECONDARY, _E.ABSCONDED): Line(_RIGHT, (2138,), _LEFT, 983),
    (_S.SECONDARY, _E.DENY_BOARDING): Line(_RIGHT, (), _LEFT, 1083),
    (_S.SECONDARY, _E.POLICY_RETURN): Line(_RIGHT, (1568, 1215), _TOP, 1322),
    (_S.HELD, _E.NOT_A_CASE): Line(_RIGHT, (2119,), _LEFT, 373),
    (_S.HELD, _E.HANDOVER_ACK): Line(_RIGHT, (), _LEFT, 903),
    (_S.HELD, _E.ABSCONDED): Line(_RIGHT, (2138,), _LEFT, 983),
    (_S.HELD, _E.POLICY_RETURN): Line(_LEFT, (1612, 1215), _TOP, 1322),
    (_S.REFUSAL, _E.CONSENT): Line(_LEFT, (530,), _LEFT, 318),
    (_S.REFUSAL, _E.LAWFUL_ORDER): Line(_RIGHT, (1060, 1190), _BOTTOM, 1220),
    (_S.REFUSAL, _E.RETURN_CHOSEN): Line(_RIGHT, (), _LEFT, 1433),
    (_S.RETURN_PENDING, _E.TIMEOUT): Line(_RIGHT, (1634, 1036), _BOTTOM, 1760),
    (_S.RETURN_PENDING, _E.CHANGED_MIND): Line(_LEFT, (1060, 1190), _BOTTOM, 1220),
    (_S.RETURN_PENDING, _E.BOARDED): Line(_RIGHT, (), _LEFT, 1433),
    (_S.DEFERRED, _E.MATCHED_CLEAR): Line(_RIGHT, (2100,), _LEFT, 273),
    (_S.DEFERRED, _E.MATCHED_CONDITIONS): Line(_RIGHT, (2119,), _LEFT, 373),
    (_S.DEFERRED, _E.TIMEOUT): Line(_RIGHT, (2182,), _LEFT, 573),
    (_S.DEFERRED, _E.MATCHED_RISK): Line(_RIGHT, (2160,), _LEFT, 870),
}


def box(state: ScreeningState) -> Box:
    x, y = PLACES[state]
    if state.terminal:
        return Box(x, y, END_WIDTH, END_HEIGHT)
    return Box(x, y, OPEN_WIDTH, FIRST_ROW + ROW * len(MACHINE.edges(state)) - 7)


def row(state: ScreeningState, event: ScreeningEvent) -> int:
    """Return the y of the middle of an event's row."""
    return PLACES[state][1] + FIRST_ROW + ROW * list(MACHINE.edges(state)).index(event)


def points(state: ScreeningState, event: ScreeningEvent) -> list[Point]:
    """Return the corners of the line of `event`, from its row to its target."""
    line = LINES[state, event]
    source, target = box(state), box(MACHINE.step(state, event))
    x = source.x if line.leaves is Side.LEFT else source.right
    y = row(state, event)
    corners = [(x, y)]
    for turn, value in enumerate(line.via):
        x, y = (x, value) if turn % 2 else (value, y)
        corners.append((x, y))
    match line.enters:
        case Side.LEFT | Side.RIGHT:
            end = (target.x if line.enters is Side.LEFT else target.right, line.at)
            corners += [(x, line.at), end]
        case Side.TOP | Side.BOTTOM:
            end = (line.at, target.y if line.enters is Side.TOP else target.bottom)
            corners += [(line.at, y), end]
    return [corner for at, corner in enumerate(corners) if at == 0 or corner != corners[at - 1]]
