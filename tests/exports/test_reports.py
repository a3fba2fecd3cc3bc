"""The report of a period, through HTTP."""

import asyncio
import itertools
from datetime import timedelta
from uuid import uuid4

import line_lists
import people
import pytest
from hubs import Hub, open_hub
from hypothesis import given
from hypothesis import strategies as st
from line_lists import DAY, MORNING

from twinstile.cases.types import CaseState, Disposition
from twinstile.exports import reports
from twinstile.exports.reports import DispositionCount
from twinstile.platform.http.problems import Internal
from twinstile.platform.ops import clock
from twinstile.platform.security.devices import LaneKind
from twinstile.platform.security.roles import Role
from twinstile.screening.types import Ground, ScreeningState

NOBODY = dict.fromkeys(
    ("lane_hours", "passed", "fever_suspected", "refused", "not_screened"), 0
)
NO_HELP = dict.fromkeys(("screenings", "assisted", "ended"), 0) | dict.fromkeys(
    ("share", "wait_median_s", "wait_p95_s")
)
NONE = {code.value: {"final": 0, "ever": 0} for code in Disposition}


async def report(
    hub: Hub, query: str | None = None, who: Role = Role.SUPERVISOR
) -> people.Json:
    answer = await hub.client(who).get(f"/v1/reports/period?{query or line_lists.period()}")
    assert answer.status_code == 200, answer.text
    told: people.Json = answer.json()
    return told


async def test_a_period_in_which_nothing_happened_is_all_zeros(hub: Hub) -> None:
    before = clock.now()
    told = await report(hub)
    assert before.isoformat() <= str(told.pop("as_of")).replace("Z", "+00:00")
    assert told == {
        "mode": "DEMO",
        "from": "2026-03-02T01:00:00Z",
        "to": "2026-03-03T01:00:00Z",
        "person_times_checked": 0,
        "checks": 0,
        "travellers": 0,
        "cleared": 0,
        "referred": 0,
        "fever_patients": 0,
        "cases": 0,
        "deferred": 0,
        "deferred_closed_24h": 0,
        "deferred_unresolved": 0,
        "no_show": 0,
        "complete_222": 0,
        "completeness_222": None,
        "overrides": dict.fromkeys(Ground, 0),
        "assisted": dict.fromkeys([*LaneKind, "NONE"], NO_HELP),
        "dispositions": NONE,
        "undisposed": 0,
        "tallied": NOBODY,
        "departures": {"cases": 0, "p50_s": None, "p90_s": None, "p95_s": None},
        "follow_ups": {"due": 0, "made": 0, "made_24h": 0, "completion": None},
    }


async def test_a_persons_two_passages_are_two_person_times_and_one_traveller(hub: Hub) -> None:
    person_id = uuid4()
    await line_lists.screen(hub, person_id=person_id, checks=1)
    await line_lists.screen(hub, person_id=person_id, checks=3)
    await line_lists.screen(hub, checks=2)  # nobody knows who these two are,
    await line_lists.screen(hub)  # nor that they are the same
    told = await report(hub)
    assert told["person_times_checked"] == 4
    assert told["checks"] == 7
    assert told["travellers"] == 3


async def test_whoever_did_not_come_was_not_checked(hub: Hub) -> None:
    nothing: people.Json = {"checks": 0, "reminders": [], "verifications": [], "services": []}
    await line_lists.screen(hub, state="NO_SHOW", person_id=uuid4(), **nothing)
    await line_lists.screen(
        hub, state="DEFERRED", person_id=uuid4(), deferred_at=MORNING, **nothing
    )
    told = await report(hub)
    counts = {name: told[name] for name in ("person_times_checked", "travellers", "checks")}
    assert set(counts.values()) == {0}
    assert (told["no_show"], told["deferred"], told["cleared"]) == (1, 1, 0)
    assert told["completeness_222"] is None


async def test_closed_in_time_are_those_whom_data_settled_within_a_day_every_time(
    hub: Hub,
) -> None:
    day, moment = timedelta(hours=24), timedelta(seconds=1)
    for closures in (
        [(day, "matched_clear")],
        [(day, "reenter"), (moment, "matched_risk")],
        [(moment, "reenter"), (day + moment, "matched_clear")],
        [(moment, "reenter"), None],
        [(moment, "timeout")],  # a policy may give less than a day
        [None],
    ):
        screening_id = await line_lists.screen(hub, deferred_at=MORNING)
        for closure in closures:
            await line_lists.defer(hub, screening_id, MORNING, closure)
    told = await report(hub)
    assert (told["deferred"], told["deferred_closed_24h"]) == (6, 2)


@pytest.mark.parametrize("state", ScreeningState)
async def test_cleared_are_those_who_may_go_and_nobody_else(
    hub: Hub, state: ScreeningState
) -> None:
    await line_lists.screen(hub, state=state.value)
    assert (await report(hub))["cleared"] == state.name.startswith("CLEARED")


async def test_referred_counts_whoever_went_to_a_second_check_however_it_ended(
    hub: Hub,
) -> None:
    await line_lists.screen(hub, state="CLEARED", referred_at=MORNING)
    await line_lists.screen(hub, state="HELD", referred_at=MORNING)
    await line_lists.screen(hub, state="CLEARED")
    told = await report(hub)
    assert (told["referred"], told["cleared"]) == (2, 2)


@pytest.mark.parametrize(
    ("part", "held", "complete"),
    [
        ("reminders", ["R1", "R2"], 1),
        ("reminders", ["R2"], 0),
        ("reminders", [], 0),
        ("verifications", ["IDENTITY", "TEMPERATURE", "CREDENTIAL", "RECHECK"], 1),
        ("verifications", ["CREDENTIAL", "TEMPERATURE", "RECHECK"], 0),
        ("verifications", ["CREDENTIAL", "IDENTITY"], 0),
        ("verifications", ["TEMPERATURE", "IDENTITY"], 0),
        ("services", ["S2", "S1"], 1),
        ("services", ["S1"], 0),
    ],
)
async def test_complete_is_twice_reminded_twice_verified_twice_served(
    hub: Hub, part: str, held: list[str], complete: int
) -> None:
    await line_lists.screen(hub, **{part: held})
    told = await report(hub)
    assert (told["complete_222"], told["completeness_222"]) == (complete, complete)


async def test_completeness_is_a_share_of_those_checked(hub: Hub) -> None:
    for _ in range(2):
        await line_lists.screen(hub)
    await line_lists.screen(hub, reminders=["R2"])
    await line_lists.screen(hub, state="NO_SHOW", checks=0)
    assert (await report(hub))["completeness_222"] == 0.6667


async def test_final_and_ever_are_counted_apart(hub: Hub) -> None:
    later = MORNING + timedelta(hours=1)
    moved = await line_lists.enter(hub)
    await line_lists.send(hub, moved, "HOME_ISOLATION", MORNING, "community")
    await line_lists.send(hub, moved, "DESIGNATED_HOSPITAL", later, "hospital")
    back_and_forth = await line_lists.enter(hub)
    for hours, code in enumerate(["FEVER_CLINIC", "HOME_ISOLATION", "FEVER_CLINIC"]):
        at = MORNING + timedelta(hours=hours)
        await line_lists.send(hub, back_and_forth, code, at, "somebody")
    await line_lists.enter(hub)  # being assessed: sent nowhere yet
    told = await report(hub)
    assert told["cases"] == 3
    assert told["dispositions"] == {
        **NONE,
        "DESIGNATED_HOSPITAL": {"final": 1, "ever": 1},
        "FEVER_CLINIC": {"final": 1, "ever": 1},
        "HOME_ISOLATION": {"final": 0, "ever": 2},
    }


async def test_of_a_case_that_went_on_it_is_known_where_to_or_there_is_no_report(
    hub: Hub,
) -> None:
    refused = set[CaseState]()
    for n, state in enumerate(CaseState):
        day = MORNING + n * DAY
        await line_lists.enter(hub, day, state=state.value)
        asked = line_lists.period(day, day + DAY)
        answer = await hub.client(Role.SUPERVISOR).get(f"/v1/reports/period?{asked}")
        refused |= {state} if answer.status_code == 500 else set()
    unsent = {"ASSESSING", "CLOSED_NOT_FEVER", "CLOSED_EXCLUDED"}
    unsent |= {"CLOSED_LOST", "CLOSED_DECEASED", "CLOSED_MERGED"}
    assert refused == set(CaseState) - unsent


async def test_a_person_with_two_cases_is_one_patient(hub: Hub) -> None:
    person_id = uuid4()
    await line_lists.enter(hub, person_id=person_id)
    await line_lists.enter(hub, person_id=person_id)
    await line_lists.enter(hub)
    await line_lists.enter(hub)
    told = await report(hub)
    assert (told["cases"], told["fever_patients"]) == (4, 3)


async def test_days_of_a_week_add_up_to_the_week(hub: Hub) -> None:
    for day in range(7):
        for hour in range(day + 1):
            at = MORNING + day * DAY + timedelta(hours=hour)
            await line_lists.screen(hub, at)
            case_id = await line_lists.enter(hub, at)
            await line_lists.send(hub, case_id, "FEVER_CLINIC", at, "clinic")
    days = [
        await report(hub, line_lists.period(MORNING + n * DAY, MORNING + (n + 1) * DAY))
        for n in range(7)
    ]
    week = await report(hub, line_lists.period(MORNING, MORNING + 7 * DAY))
    for name in ("person_times_checked", "checks", "cases", "complete_222"):
        assert week[name] == sum(day[name] for day in days) == 28
    assert [day["cases"] for day in days] == [1, 2, 3, 4, 5, 6, 7]


async def test_another_hubs_day_is_not_counted(hub: Hub) -> None:
    elsewhere = await open_hub(hub.runtime, hub.service)
    case_id = await line_lists.enter(elsewhere)
    await line_lists.screen(elsewhere)
    await line_lists.send(elsewhere, case_id, "RELEASED", MORNING, "nobody")
    told = await report(hub)
    assert (told["cases"], told["checks"], told["dispositions"]) == (0, 0, NONE)


async def test_a_day_at_the_gates_is_counted_as_it_went(hub: Hub) -> None:
    since = clock.now()
    run_id, number = str(people.new_id()), people.resident_number()
    run = {
        "mode": "RAIL",
        "service_no": "G7349",
        "service_date": since.date().isoformat(),
        "origin": "Shanghai",
        "terminus": "Hangzhou",
        "scheduled_arrival": people.now(),
    }
    supervisor = hub.client(Role.SUPERVISOR)
    answers = [
        await supervisor.put(f"/v1/runs/{run_id}", json=run),
        await supervisor.put(
            f"/v1/reminders/{people.new_id()}",
            json={
                "kind": "R1",
                "run_id": run_id,
                "channel": "broadcast",
                "language": "zh-CN",
                "given_at": people.now(),
            },
        ),
        await hub.client().put(
            f"/v1/checks/{people.new_id()}", json=people.check(run_id=run_id)
        ),
        await hub.client().put(
            f"/v1/checks/{people.new_id()}", json=people.check(number=number, celsius=38.0)
        ),
        await hub.client(Role.MEDIC).put(
            f"/v1/checks/{people.new_id()}",
            json=people.check(number=number, temperature={"value": 38.3, "method": "EAR"}),
        ),
    ]
    assert all(answer.is_success for answer in answers), [a.text for a in answers]
    case_id = answers[-1].json()["case_id"]
    sent = {
        "code": "FEVER_CLINIC",
        "receiver": "clinic",
        "decided_at": people.now(),
        "particulars": {"travel": "ALONE"},
    }
    path = f"/v1/cases/{case_id}/dispositions/{uuid4()}"
    assert (await hub.client(Role.MEDIC).put(path, json=sent)).is_success
    told = await report(hub, line_lists.period(since - DAY, since + DAY), Role.EPIDEMIOLOGIST)
    assert told["dispositions"]["FEVER_CLINIC"] == {"final": 1, "ever": 1}
    counts = {name: value for name, value in told.items() if isinstance(value, int | float)}
    assert counts == {
        "undisposed": 0,
        "person_times_checked": 2,
        "checks": 3,
        "travellers": 2,
        "cleared": 1,
        "referred": 1,
        "fever_patients": 1,
        "cases": 1,
        "deferred": 0,
        "deferred_closed_24h": 0,
        "deferred_unresolved": 0,
        "no_show": 0,
        "complete_222": 1,
        "completeness_222": 0.5,
    }


async def test_departures_and_contacts_of_the_periods_cases_are_counted(hub: Hub) -> None:
    hour, now = timedelta(hours=1), clock.now()
    for minutes in range(1, 11):
        case_id = await line_lists.enter(hub)
        for later in (minutes, 60):  # of who is sent elsewhere on the way the first counts
            await line_lists.depart(hub, case_id, MORNING + timedelta(minutes=later))
    other = await line_lists.enter(hub, MORNING - hour)
    await line_lists.depart(hub, other, MORNING)
    for due_at, attempts, done_at, outcome in (
        (MORNING, 1, MORNING + 24 * hour, "REACHED"),
        (MORNING, 3, MORNING + 25 * hour, "REACHED"),
        (now + 9 * hour, 1, now, "REACHED"),  # before its time
        (now + 9 * hour, 2, now, "OVER"),  # tried before its time, and never reached
        (MORNING, 0, MORNING + hour, "OVER"),  # nobody called, and the case went on
        (MORNING, 0, None, None),
        (now + 9 * hour, 0, None, None),  # still to come
        (MORNING + hour, 0, MORNING, "OVER"),  # outrun by the case
    ):
        columns = {"due_at": due_at, "attempts": attempts, "done_at": done_at}
        await line_lists.follow(hub, case_id, **columns, outcome=outcome)
        await line_lists.follow(hub, other, **columns, outcome=outcome)
    told = await report(hub)
    assert told["departures"] == {"cases": 10, "p50_s": 300, "p90_s": 540, "p95_s": 600}
    assert told["follow_ups"] == {"due": 6, "made": 3, "made_24h": 2, "completion": 0.3333}


async def test_reports_asked_for_while_cases_are_sent_never_contradict_themselves(
    hub: Hub,
) -> None:
    async def send_on() -> None:
        for second in itertools.count():
            case_id = await line_lists.enter(hub)
            for code in ("HOME_ISOLATION", "FEVER_CLINIC"):
                at = MORNING + timedelta(seconds=second)
                await line_lists.send(hub, case_id, code, at, "somebody")

    sending = asyncio.create_task(send_on())
    told = [await report(hub) for _ in range(10)]  # a contradiction would be an error 500
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert len({period["cases"] for period in told}) > 1


@pytest.mark.parametrize(
    ("role", "status"),
    [
        (Role.SUPERVISOR, 200),
        (Role.DUTY_COMMANDER, 200),
        (Role.EPIDEMIOLOGIST, 200),
        (Role.MEDIC, 403),
        (Role.SCREENER, 403),
        (Role.ASSISTANT, 403),
        (Role.ADMINISTRATOR, 403),
    ],
)
async def test_reports_are_for_those_who_answer_for_the_hub(
    hub: Hub, role: Role, status: int
) -> None:
    answer = await hub.client(role).get(f"/v1/reports/period?{line_lists.period()}")
    assert answer.status_code == status


counts = st.dictionaries(
    st.sampled_from(Disposition),
    st.builds(DispositionCount, st.integers(0, 9), st.integers(0, 9)),
)


@given(counts, st.integers(0, 30), st.integers(0, 9))
def test_figures_that_do_not_add_up_are_never_reported(
    sent: dict[Disposition, DispositionCount], cases: int, undisposed: int
) -> None:
    adds_up = sum(s.final for s in sent.values()) + undisposed == cases
    if adds_up and all(s.final <= s.ever for s in sent.values()):
        reports.require_sum(sent, cases, undisposed)
    else:
        with pytest.raises(Internal):
            reports.require_sum(sent, cases, undisposed)
