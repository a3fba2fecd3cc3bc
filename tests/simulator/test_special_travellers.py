"""The table of special travellers: nobody is missing, and no script is a wish."""

import pytest

from twinstile.identity import documents
from twinstile.identity.types import DocumentKind
from twinstile.screening import machine
from twinstile.screening.types import ScreeningEvent, ScreeningState
from twinstile_simulator.protocol import State
from twinstile_simulator.scenarios import special_travellers
from twinstile_simulator.scenarios.scripts import GroupArrival, count_kinds, list_travellers

ARRIVALS = special_travellers.invite(300)
MUST_BE_SEEN = {
    *(f"refused, {end}" for end in ("returned", "changed mind", "boarding denied")),
    *("refused, then consented", "refused, under lawful order"),
    *(f"transit, {end}" for end in ("boarded", "chose the exit", "missed")),
    *(f"deferred, {end}" for end in ("closed by data", "found at risk", "unresolved")),
    *(f"from an area, {when}" for when in ("before noon", "after noon", "discretion used")),
    *("family, one member ill", "school class", "crew", "infant", "no phone", "absconded"),
    *("starred itinerary", "came again", "second alarm, one case"),
    *("entered in error", "checked in error", "refused, in custody"),
    *("unconscious, named later", "came again, code and reading reused"),
}


@pytest.mark.parametrize("travellers", [1, 300, 2000])
def test_everybody_who_must_be_seen_comes_on_any_day(travellers: int):
    come = count_kinds(special_travellers.invite(travellers))
    assert come.keys() >= MUST_BE_SEEN
    assert min(come.values()) >= 1


def test_every_kind_of_document_is_carried_and_all_are_of_nobody():
    carried = [g.document for g in list_travellers(ARRIVALS) if g.document]
    assert {papers.kind for papers in carried} == set(DocumentKind)
    assert len({(papers.kind, papers.number) for papers in carried}) == len(carried)
    for papers in carried:
        if papers.kind != "RESIDENT_ID":
            assert papers.issuer == documents.SPECIMEN_ISSUER
        else:
            assert papers.number.startswith(("77", "977"))
            assert documents.check_character(papers.number[:17]) == papers.number[17]


def test_every_state_is_reached_and_known_to_the_service():
    states = {m.state for g in list_travellers(ARRIVALS) for m in g.script}
    assert states == set(State) - {State.NO_SHOW}
    assert states | {State.NO_SHOW} <= {str(state) for state in ScreeningState}


@pytest.mark.parametrize("arrival", ARRIVALS, ids=lambda arrival: arrival.group.kind)
def test_the_steps_of_a_script_are_ways_of_the_machine(arrival: GroupArrival):
    for one in arrival.travellers:
        state = ScreeningState.EXPECTED
        for action in one.script:
            if action.transition:
                told = ScreeningEvent(action.transition)
                assert machine.step(state, told) == str(action.state)
            state = ScreeningState(action.state)
