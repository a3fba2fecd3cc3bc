"""F5: the laboratory notices loss: a ledger that cannot fail would prove nothing."""

import fleets
import judges
import mutants
import pytest
import stations


@pytest.mark.slow  # with three more of `dev.py faults`
async def test_an_answer_before_the_commit_is_noticed() -> None:
    async with stations.station() as station:
        crew = await station.crew(6)
        station.program = mutants.program("early-acknowledge")
        await station.kill()
        await station.start()
        async with fleets.fleet(station, crew) as ledger:
            for _ in range(2):
                await fleets.until(ledger, 60)
                await station.kill()
                await station.start()
            await fleets.until(ledger, 10)
        judgement = await judges.judge(station, ledger)
    assert judgement.lost > 0
    assert not judgement.harmless
