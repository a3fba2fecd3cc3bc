"""The wall chart of a screening, drawn from the same table the machine runs on.

`python -m twinstile.screening.chart docs` writes it in each language; a test compares, so that
the sheet on the wall cannot drift from what the software does. Verdicts are told by colour,
shape and word together, because colour alone fails one man in twelve and every grey printer.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from twinstile.platform.machine import Cause
from twinstile.platform.roles import Role
from twinstile.screening import machine, plan, strokes, words
from twinstile.screening.plan import Box, Point
from twinstile.screening.stages import MACHINE
from twinstile.screening.strokes import BLACK, INKS
from twinstile.screening.types import ScreeningEvent, ScreeningState, Verdict
from twinstile.screening.words import Language

_MAIN: Final = {ScreeningEvent.PRESENT, ScreeningEvent.EVIDENCE_COMPLETE, ScreeningEvent.PASS}
_MAIN_FROM: Final = {
    ScreeningState.EXPECTED,
    ScreeningState.PRESENTED,
    ScreeningState.VERIFYING,
}


def draw(language: Language) -> str:
    """Return the whole sheet as an SVG document of A2, landscape."""
    title = words.SHEET["title"].in_language(language)
    method = words.SHEET["method"].in_language(language)
    width, height = plan.WIDTH, plan.HEIGHT
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="594mm" height="420mm" role="img"',
        f'viewBox="0 0 {width} {height}" xml:lang="{language}" lang="{language}">',
        f"<title>{title}</title>",
        f"<style>{strokes.STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        strokes.text((70, 96), title, "title"),
        strokes.text((width - 42, 96), method, "method end"),
        *_lines(),
        *(part for state in ScreeningState for part in _box(state, language)),
        *_legend(language),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _lines() -> Iterator[str]:
    """Draw the lines target by target, so that those which join do not cut each other."""
    for target in ScreeningState:
        colour = INKS[machine.SHOWN_IN_STATE[target]].line
        ways = [way for way in plan.LINES if machine.step(*way) is target]
        for way in ways:
            yield strokes.edge(plan.points(*way), _weight(*way))
        for way in ways:
            timed = MACHINE.triggers[way[1]] == frozenset({Cause.TIMER})
            yield from strokes.arrow(plan.points(*way), colour, _weight(*way), dashed=timed)


def _weight(state: ScreeningState, event: ScreeningEvent) -> int:
    return 8 if state in _MAIN_FROM and event in _MAIN else 3


def _box(state: ScreeningState, language: Language) -> Iterator[str]:
    box = plan.box(state)
    ink = INKS[machine.SHOWN_IN_STATE[state]]
    name = words.STATES[state].in_language(language)
    if state.terminal:
        yield strokes.frame(box, ink.fill, BLACK, 4)
        inner = Box(box.x + 7, box.y + 7, box.width - 14, box.height - 14)
        yield strokes.frame(inner, "none", ink.text, 2)
        yield from _number((box.x + 38, box.y + 38), state, 18)
        yield strokes.text((box.x + 70, box.y + 36), name, "bold", ink.text)
        note = words.ENDS[state].in_language(language)
        yield strokes.text((box.x + 70, box.y + 58), note, "small", ink.text)
        return
    yield strokes.frame(box, "#fff", BLACK, 3)
    head = Box(box.x + 4, box.y + 4, box.width - 8, 44)
    yield strokes.frame(head, ink.fill, ink.fill, 1)
    yield from _number((box.x + 32, box.y + 26), state, 16)
    yield strokes.text((box.x + 62, box.y + 36), name, "name", ink.text)
    yield strokes.text((box.right - 16, box.y + 32), state, "code end", ink.text)
    stage = MACHINE.stages[state]
    entered = words.ENTERS[stage.enters].in_language(language)
    names = " + ".join(words.LEADS[lead].in_language(language) for lead in stage.leads)
    leads = words.SHEET["leads"].in_language(language).format(names)
    limit = words.deadline(stage.deadline, language)
    yield strokes.text((box.x + 16, box.y + 71), entered)
    yield strokes.text((box.x + 16, box.y + 96), leads, "bold")
    yield strokes.text((box.right - 16, box.y + 96), limit, "bold end")
    yield strokes.rule((box.x, box.y + 105), (box.right, box.y + 105), BLACK, 1.5)
    for event in stage.edges:
        yield from _row(state, event, language)


def _row(state: ScreeningState, event: ScreeningEvent, language: Language) -> Iterator[str]:
    x, y = plan.box(state).x, plan.row(state, event)
    target = machine.step(state, event)
    for at, sign in enumerate(_signs(event)):
        yield sign((x + 17 + 19 * at, y))
    name = words.STATES[target] if target is not state else words.SHEET["stays"]
    yield strokes.text((x + 54, y + 6), words.EVENTS[event].in_language(language))
    yield strokes.text((x + 219, y + 6), "→" if target is not state else "↻", "bold")
    yield from _number((x + 260, y), target, 11)
    yield strokes.text((x + 280, y + 6), name.in_language(language), "small")


def _signs(event: ScreeningEvent) -> Iterator[strokes.Sign]:
    """Pick who may cause an event: a person, a rule or another system, the clock."""
    triggers = MACHINE.triggers[event]
    if triggers & set(Role):
        yield strokes.person
    if triggers & {Cause.POLICY, Cause.SYSTEM}:
        yield strokes.cog
    if Cause.TIMER in triggers:
        yield strokes.clock


def _number(at: Point, state: ScreeningState, size: int) -> Iterator[str]:
    number = list(ScreeningState).index(state) + 1
    return strokes.badge(at, machine.SHOWN_IN_STATE[state], size, str(number))


def _legend(language: Language) -> Iterator[str]:
    def say(key: str) -> str:
        return words.SHEET[key].in_language(language)

    yield strokes.text((70, 1630), say("read"), "name")
    for at, verdict in enumerate(Verdict):
        x = 70 + 230 * at
        yield from strokes.badge((x + 18, 1672), verdict, 16, "")
        yield strokes.text((x + 48, 1678), words.VERDICTS[verdict].in_language(language))
    signs = {"person": strokes.person, "rule": strokes.cog, "timer": strokes.clock}
    for at, (key, sign) in enumerate(signs.items()):
        x = 70 + 310 * at
        yield sign((x + 18, 1720))
        yield strokes.text((x + 48, 1726), words.TRIGGERS[key].in_language(language))
    green, grey = INKS[Verdict.PASS].line, INKS[Verdict.UNKNOWN].line
    samples = [("main", green, 8, False), ("dot", grey, 3, False), ("dashed", grey, 3, True)]
    for at, (key, colour, weight, dashed) in enumerate(samples):
        y = 1630 + 46 * at
        yield from strokes.arrow([(1112, y), (1200, y)], colour, weight, dashed=dashed)
        yield strokes.text((1224, y + 6), say(key))
    for at, key in enumerate(("row", "end", "policy")):
        yield strokes.text((1760, 1636 + 46 * at), say(key))


def main(folder: Path) -> None:
    """Write the chart in every language into `folder`."""
    for language in Language:
        (folder / f"screening-flow.{language}.svg").write_text(draw(language), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
