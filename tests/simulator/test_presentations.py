"""Who presents credentials in the demo: every colour and condition, in the service's words."""

from pathlib import Path

import pytest

from twinstile.credentials.types import Colour, CredentialOutcome, CredentialStatus
from twinstile_simulator.credentials import presentations
from twinstile_simulator.credentials.presentations import CredentialCondition, Presentation
from twinstile_simulator.departments import feeds
from twinstile_simulator.scenarios import special_travellers
from twinstile_simulator.scenarios.scripts import list_travellers

ARRIVALS = special_travellers.invite(300)
PRESENTED = [p for one in list_travellers(ARRIVALS) if (p := one.presentation)]


def test_every_colour_and_condition_is_met() -> None:
    assert {one.colour for one in PRESENTED} == {str(colour) for colour in Colour}
    assert {one.how for one in PRESENTED} == set(CredentialCondition)


@pytest.mark.parametrize("one", presentations.EVERY, ids=lambda one: f"{one.source} {one.how}")
def test_the_answer_to_a_credential_is_in_the_words_of_the_service(one: Presentation) -> None:
    CredentialOutcome(one.outcome)
    CredentialStatus(one.status)
    assert (one.colour == "GREEN") == (one.outcome == "VERIFIED") == (one.status == "GREEN")


async def test_everybody_is_issued_a_credential_of_their_own(tmp_path: Path) -> None:
    async with feeds.open_departments(tmp_path) as departments:
        texts = departments.issue_credentials(ARRIVALS)
    assert len(set(texts.values())) == len(texts) == len(PRESENTED)
