"""Who shows codes in the demo: every scheme, provider and colour, in the service's words."""

import asyncio
from pathlib import Path

import pytest

from twinstile.credentials.types import Colour, CredentialStatus, Outcome, Scheme
from twinstile_simulator import guests, personas
from twinstile_simulator.codes import STYLES, Simulator
from twinstile_simulator.credentials import carried, giving
from twinstile_simulator.credentials.issuers import SCHEMES
from twinstile_simulator.credentials.providers import OFFICES
from twinstile_simulator.showing import COLOURS, Condition, Showing, tally

VISITS = personas.visits(300)
SHOWN = [one.shows for one in guests.everybody(VISITS) if one.shows]


def test_every_scheme_and_provider_is_shown_and_every_colour_and_condition_is_met() -> None:
    assert {one.what for one in SHOWN} == {*SCHEMES, *OFFICES, carried.NOBODY}
    assert {*SCHEMES} == {str(scheme) for scheme in Scheme} - {"HCERT", "ONLINE"}
    assert {office.profile for office in OFFICES.values()} == set(STYLES)
    assert {one.colour for one in SHOWN} == {*COLOURS} == {str(colour) for colour in Colour}
    assert {one.how for one in SHOWN} == set(Condition)


@pytest.mark.parametrize("one", SHOWN, ids=lambda one: f"{one.what}, {one.how}")
def test_what_a_code_must_become_is_told_in_the_words_of_the_service(one: Showing) -> None:
    Outcome(one.outcome)
    CredentialStatus(one.status)
    assert (one.colour == "GREEN") == (one.outcome == "VERIFIED") == (one.status == "GREEN")


def test_codes_are_counted_by_what_they_are_of_and_what_they_became() -> None:
    counted = tally([("SHC", "GREEN"), ("SHC", "RED"), ("SHC", "GREEN"), ("city", "RED")])
    assert counted == {"SHC": {"GREEN": 2, "RED": 1}, "city": {"RED": 1}}


async def test_everybody_is_given_a_code_of_their_own_and_its_provider_knows_it(
    tmp_path: Path,
) -> None:
    async with giving.opened(tmp_path) as givers:
        texts = givers.issue(VISITS)
        known = {text for server in givers.providers.servers.values() for text in server.codes}
    assert len(set(texts.values())) == len(texts) == len(SHOWN)
    for one in guests.everybody(VISITS):
        if one.shows:
            given_away = one.shows.what in OFFICES and one.shows.how is not Condition.NOBODYS
            assert (texts[one.key] in known) == given_away


async def ask(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which a question was answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /elsewhere HTTP/1.1\r\nContent-Type: application/json\r\n")
    writer.write(b"Content-Length: 2\r\n\r\n{}")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    return reader, writer


async def test_a_provider_that_is_away_hangs_up_and_comes_back_where_it_was() -> None:
    there = Simulator(STYLES["generic-rest"], b"a secret of two sides")
    await there.start()
    port = there.port
    reader, first = await ask(port)
    async with there.away():
        assert (await reader.read()).endswith(b"</title>")
        with pytest.raises(ConnectionError):
            await ask(port)
    _, second = await ask(port)
    await there.stop()
    for one in (first, second):
        one.close()
        await one.wait_closed()
