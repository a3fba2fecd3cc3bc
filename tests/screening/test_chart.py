"""The wall chart says what the machine does, and can be read."""

from datetime import timedelta
from itertools import combinations, pairwise, product
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from twinstile.platform.machine import Anchor, Deadline
from twinstile.screening import chart, machine, plan, strokes, words
from twinstile.screening.plan import Box, Point
from twinstile.screening.stages import MACHINE
from twinstile.screening.types import ScreeningEvent, ScreeningState, Verdict
from twinstile.screening.words import Language

DOCS = Path(__file__).parents[2] / "docs"
SVG = "{http://www.w3.org/2000/svg}"
BOXES = {state: plan.box(state) for state in ScreeningState}
WAYS = list(plan.LINES)


def _segments(way: tuple[ScreeningState, ScreeningEvent]) -> list[Box]:
    """The straight pieces of a line as boxes of no width or no height."""
    return [
        Box(min(x, to_x), min(y, to_y), abs(x - to_x), abs(y - to_y))
        for (x, y), (to_x, to_y) in pairwise(plan.points(*way))
    ]


def _overlap(one: Box, other: Box, gap: int = 0) -> bool:
    return (
        one.x < other.right + gap
        and other.x < one.right + gap
        and one.y < other.bottom + gap
        and other.y < one.bottom + gap
    )


def _advance(content: str, size: float) -> float:
    """About how wide a text runs in a sans-serif face; a Chinese character is a square."""
    return size * sum(
        1.0
        if letter > "\u2e7f"
        else 0.3
        if letter in "iljftr.,:' I"
        else 0.85
        if letter in "mwMW"
        else 0.56
        for letter in content
    )


@pytest.mark.parametrize("language", Language)
def test_the_committed_sheet_is_what_the_table_draws(language: Language):
    sheet = DOCS / f"screening-flow.{language}.svg"
    assert sheet.read_text(encoding="utf-8") == chart.draw(language), (
        "run: python -m twinstile.screening.chart docs"
    )


def test_the_sheets_are_written_into_the_folder_asked_for(tmp_path: Path):
    chart.main(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "screening-flow.en.svg",
        "screening-flow.zh-CN.svg",
    ]


@pytest.mark.parametrize("language", Language)
def test_every_way_out_of_the_table_is_a_row_of_the_sheet(language: Language):
    texts = [node.text for node in ET.fromstring(chart.draw(language)).iter(f"{SVG}text")]
    for event in ScreeningEvent:
        uses = sum(event in machine.edges(state) for state in ScreeningState)
        assert texts.count(words.EVENTS[event].in_language(language)) >= uses
    assert sum(text in {"→", "↻"} for text in texts) == 59


def test_every_state_event_and_end_has_its_words_in_both_languages():
    assert set(words.STATES) == set(ScreeningState)
    assert set(words.EVENTS) == set(ScreeningEvent)
    assert set(words.ENDS) == machine.TERMINAL
    assert set(words.VERDICTS) == set(Verdict)
    stages = MACHINE.stages.values()
    assert set(words.ENTERS) == {stage.enters for stage in stages}
    assert set(words.LEADS) == {lead for stage in stages for lead in stage.leads}
    for language in Language:
        names = [phrase.in_language(language) for phrase in words.STATES.values()]
        assert len(set(names)) == len(ScreeningState)


def test_every_state_has_its_place_on_the_sheet_and_none_touches_another():
    assert set(plan.PLACES) == set(ScreeningState)
    sheet = Box(0, 0, plan.WIDTH, plan.HEIGHT)
    for one, other in combinations(BOXES.values(), 2):
        assert not _overlap(one, other, gap=16)
    assert all(_overlap(sheet, box) and box.right < plan.WIDTH for box in BOXES.values())


@pytest.mark.parametrize("way", WAYS)
def test_a_line_runs_level_or_upright_and_through_no_box(
    way: tuple[ScreeningState, ScreeningEvent],
):
    for piece in _segments(way):
        assert piece.width == 0 or piece.height == 0
        solid = Box(piece.x, piece.y, max(piece.width, 1), max(piece.height, 1))
        for state, box in BOXES.items():
            inner = Box(box.x + 2, box.y + 2, box.width - 4, box.height - 4)
            assert not _overlap(solid, inner), state


def _beside(one: Box, other: Box) -> bool:
    """Whether two pieces lie so close along each other that the eye takes them for one."""
    if one.width == other.width == 0:
        return abs(one.x - other.x) < 10 and min(one.bottom, other.bottom) > max(one.y, other.y)
    if one.height == other.height == 0:
        return abs(one.y - other.y) < 10 and min(one.right, other.right) > max(one.x, other.x)
    return False


@pytest.mark.parametrize("way", WAYS)
def test_lines_to_different_states_never_share_a_track(
    way: tuple[ScreeningState, ScreeningEvent],
):
    for other in WAYS:
        if machine.step(*other) is not machine.step(*way):
            pairs = product(_segments(way), _segments(other))
            assert not any(_beside(one, piece) for one, piece in pairs), other


@pytest.mark.parametrize("way", WAYS)
def test_a_line_ends_on_the_edge_of_its_target(way: tuple[ScreeningState, ScreeningEvent]):
    (x, y), target = plan.points(*way)[-1], BOXES[machine.step(*way)]
    assert target.x <= x <= target.right
    assert target.y <= y <= target.bottom
    assert x in {target.x, target.right} or y in {target.y, target.bottom}


@pytest.mark.parametrize("language", Language)
def test_words_fit_into_the_boxes_they_stand_in(language: Language):
    for phrase in words.EVENTS.values():
        assert _advance(phrase.in_language(language), 18) <= 164, phrase.en
    for phrase in words.STATES.values():
        assert _advance(phrase.in_language(language), 16) <= plan.OPEN_WIDTH - 288, phrase.en
        assert _advance(phrase.in_language(language), 27) <= 230, phrase.en
    for phrase in words.ENDS.values():
        assert _advance(phrase.in_language(language), 16) <= plan.END_WIDTH - 84, phrase.en
    for phrase in words.ENTERS.values():
        assert _advance(phrase.in_language(language), 18) <= plan.OPEN_WIDTH - 32, phrase.en


DEADLINES = [
    (timedelta(seconds=20), Anchor.ENTERED, "within 20 s", "20 秒内"),
    (timedelta(seconds=120), Anchor.ENTERED, "within 2 min", "2 分钟内"),
    (timedelta(minutes=90), Anchor.ARRIVAL, "arrival + 90 min", "到达后 90 分钟"),
    (timedelta(hours=24), Anchor.ENTERED, "within 24 h", "24 小时内"),
    (timedelta(minutes=-10), Anchor.DEPARTURE, "10 min before departure", "发车前 10 分钟"),
]


@pytest.mark.parametrize(("span", "anchor", "en", "zh"), DEADLINES)
def test_a_deadline_is_said_in_its_largest_whole_unit(
    span: timedelta, anchor: Anchor, en: str, zh: str
):
    limit = Deadline(span, anchor)
    assert words.deadline(limit, Language.EN) == en
    assert words.deadline(limit, Language.ZH_CN) == zh


def test_a_deadline_of_half_a_second_is_refused():
    with pytest.raises(ValueError, match="whole number"):
        words.deadline(Deadline(timedelta(milliseconds=500)), Language.EN)


def test_every_verdict_has_a_shape_of_its_own():
    at: Point = (0, 0)
    shapes = {"".join(strokes.badge(at, v, 10, "")).split("fill=")[0] for v in Verdict}
    assert len(shapes) == len(Verdict)
