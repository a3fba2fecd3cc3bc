"""The strokes a wall chart is made of: text, lines with arrows, badges and signs, as SVG."""

from collections.abc import Callable, Iterable, Iterator
from html import escape
from math import cos, hypot, pi, sin
from typing import Final, NamedTuple

from twinstile.screening.plan import Box, Point
from twinstile.screening.types import Verdict

Sign = Callable[[Point], str]


class Ink(NamedTuple):
    fill: str
    text: str
    line: str
    edge: str


BLACK: Final = "#111"
INKS: Final = {
    Verdict.PASS: Ink("#006045", "#fff", "#006045", "#fff"),
    Verdict.UNKNOWN: Ink("#e8ecef", BLACK, "#4a5560", BLACK),
    Verdict.CHECK: Ink("#ffd23f", BLACK, "#8a5a00", BLACK),
    Verdict.STOP: Ink("#8b1a1a", "#fff", "#8b1a1a", "#fff"),
}

STYLE: Final = """
text{font-family:"Noto Sans","Noto Sans CJK SC","Source Han Sans SC","PingFang SC",
"Microsoft YaHei",Arial,"Liberation Sans",sans-serif;font-size:18px}
.name{font-size:27px;font-weight:700}.code{font-size:13px;letter-spacing:.04em}
.bold{font-weight:700}.small{font-size:16px}.title{font-size:54px;font-weight:700}
.method{font-size:30px}.end{text-anchor:end}.mid{text-anchor:middle}
path{fill:none;stroke-linejoin:round}
"""


def text(at: Point, content: str, style: str = "", fill: str = BLACK) -> str:
    return (
        f'<text x="{at[0]}" y="{at[1]}" class="{style}" fill="{fill}">{escape(content)}</text>'
    )


def frame(box: Box, fill: str, stroke: str, width: int) -> str:
    return (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="16" '
        f'fill="{fill}" stroke="{stroke}" stroke-width="{width}"/>'
    )


def rule(start: Point, end: Point, colour: str, width: float) -> str:
    (x, y), (to_x, to_y) = start, end
    return f'<path d="M{x} {y}L{to_x} {to_y}" stroke="{colour}" stroke-width="{width:g}"/>'


def edge(corners: list[Point], width: int) -> str:
    """Draw the white edge that lifts a line over those it crosses."""
    return f'<path d="{_rounded(corners)}" stroke="#fff" stroke-width="{width + 8}"/>'


def arrow(corners: list[Point], colour: str, width: int, *, dashed: bool) -> Iterator[str]:
    """Draw a line through `corners`, with a dot where it starts and a head where it ends."""
    dash = ' stroke-dasharray="9 6"' if dashed else ""
    stroke = f'stroke="{colour}" stroke-width="{width}"'
    tip, size = corners[-1], 8 + width
    back = _toward(tip, corners[-2], size + size // 2)
    level = corners[-2][1] == tip[1]
    across = (0, size * 2 // 3) if level else (size * 2 // 3, 0)
    head = [
        tip,
        (back[0] + across[0], back[1] + across[1]),
        (back[0] - across[0], back[1] - across[1]),
    ]
    # The line stops inside the head, or its blunt end would show beside the tip.
    yield f'<path d="{_rounded([*corners[:-1], back])}" {stroke}{dash}/>'
    yield f'<polygon points="{_joined(head)}" fill="{colour}"/>'
    x, y = corners[0]
    yield f'<circle cx="{x}" cy="{y}" r="{width // 2 + 4}" fill="{colour}"/>'


def badge(at: Point, verdict: Verdict, size: int, content: str) -> Iterator[str]:
    """Draw a verdict's shape (circle, diamond, triangle, octagon) around a number."""
    ink, (x, y) = INKS[verdict], at
    look = f'fill="{ink.fill}" stroke="{ink.edge}" stroke-width="1.8"'
    drop = size * 0.36
    match verdict:
        case Verdict.PASS:
            yield f'<circle cx="{x}" cy="{y}" r="{size}" {look}/>'
        case Verdict.UNKNOWN:
            reach = size * 1.25
            corners = [(x, y - reach), (x + reach, y), (x, y + reach), (x - reach, y)]
            yield f'<polygon points="{_joined(corners)}" {look}/>'
        case Verdict.CHECK:
            low, high, half = y + size, y - size * 1.35, size * 1.45
            corners = [(x, high), (x + half, low), (x - half, low)]
            yield f'<polygon points="{_joined(corners)}" {look}/>'
            drop = size * 0.75
        case Verdict.STOP:
            turns = [pi * (2 * corner + 1) / 8 for corner in range(8)]
            corners = [(x + size * 1.1 * cos(t), y + size * 1.1 * sin(t)) for t in turns]
            yield f'<polygon points="{_joined(corners)}" {look}/>'
    yield (
        f'<text x="{x}" y="{y + drop:.1f}" class="mid bold" fill="{ink.text}" '
        f'style="font-size:{size + 1}px">{content}</text>'
    )


def person(at: Point) -> str:
    x, y = at
    return (
        f'<circle cx="{x}" cy="{y - 5}" r="4" fill="{BLACK}"/>'
        f'<path d="M{x - 7} {y + 8}a7 7 0 0 1 14 0" style="fill:{BLACK}"/>'
    )


def cog(at: Point) -> str:
    x, y = at
    return (
        f'<circle cx="{x}" cy="{y}" r="6" fill="none" stroke="{BLACK}" stroke-width="6" '
        f'stroke-dasharray="2.7 2"/><circle cx="{x}" cy="{y}" r="5" fill="none" '
        f'stroke="{BLACK}" stroke-width="2.5"/>'
    )


def clock(at: Point) -> str:
    x, y = at
    return (
        f'<circle cx="{x}" cy="{y}" r="7.5" fill="#fff" stroke="{BLACK}" stroke-width="2"/>'
        f'<path d="M{x} {y - 5}v5h4" stroke="{BLACK}" stroke-width="2"/>'
    )


def _rounded(corners: list[Point], radius: int = 10) -> str:
    path = f"M{corners[0][0]} {corners[0][1]}"
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        reach = min(radius, _length(before, corner) // 2, _length(corner, after) // 2)
        start, end = _toward(corner, before, reach), _toward(corner, after, reach)
        path += f"L{start[0]} {start[1]}Q{corner[0]} {corner[1]} {end[0]} {end[1]}"
    return f"{path}L{corners[-1][0]} {corners[-1][1]}"


def _length(one: Point, other: Point) -> int:
    return int(hypot(one[0] - other[0], one[1] - other[1]))


def _toward(start: Point, goal: Point, reach: int) -> Point:
    length = _length(start, goal)
    return (
        start[0] + (goal[0] - start[0]) * reach // length,
        start[1] + (goal[1] - start[1]) * reach // length,
    )


def _joined(corners: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{round(x, 1):g},{round(y, 1):g}" for x, y in corners)
