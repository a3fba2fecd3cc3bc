"""Labels and the flow charts made of them."""

from pathlib import Path

from twinstile.screening import flowchart, machine, words
from twinstile.screening.types import ScreeningState
from twinstile.screening.words import Language

DOCS = Path(__file__).parents[2] / "docs"


def test_the_documented_flow_charts_are_those_of_the_tables():
    written = (DOCS / "state-machines.md").read_text(encoding="utf-8")
    assert written == flowchart.page(), "run: python3 dev.py states"


def test_a_flow_chart_has_every_way_of_the_table():
    lines = [line.strip() for line in flowchart.screening(Language.EN).splitlines()]
    for state in ScreeningState:
        for event, after in machine.edges(state).items():
            way = f"{state} --> {after}: {words.EVENTS[event].en} ("
            assert sum(line.startswith(way) for line in lines) == 1
        assert (f"{state} --> [*]" in lines) is state.terminal


def test_states_have_different_labels_in_each_language():
    for language in Language:
        names = {phrase.in_language(language) for phrase in words.STATES.values()}
        assert len(names) == len(ScreeningState)
