import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from twinstile_simulator import report
from twinstile_simulator.departments.feed_monitor import FeedResult
from twinstile_simulator.departments.feeds import FeedCounters
from twinstile_simulator.recount import ServiceCounts
from twinstile_simulator.report import DayResult
from twinstile_simulator.truth import Counts

COUNTS = Counts(
    travellers=10,
    checks=12,
    cleared=9,
    referred=2,
    cases=1,
    deferred=0,
    no_show=1,
    expected=11,
    matched=10,
    complete_222=8,
    offline=2,
    deferred_closed_24h=0,
    dispositions={"FEVER_CLINIC": 1},
    person_times=10,
    ends={"CLEARED": 9, "HELD": 1, "NO_SHOW": 1},
    kinds={"crew": 1},
)
SENT = FeedCounters(deliveries=4, duplicates=1, refused=0, rejected=3)
POLICE = FeedResult("police", SENT, SENT, rows=9, outages=1, recovered=1)
COUNTED = ServiceCounts(COUNTS, 1, 0)
GOOD = DayResult(COUNTS, COUNTED, [POLICE], [1.0, 2.0, 30.0], [], 1.5)


def test_the_json_has_what_a_program_asks_for():
    told = json.loads(GOOD.as_json())
    assert told["equal"] is True
    assert (told["p50_ms"], told["p95_ms"], told["p99_ms"]) == (2.0, 30.0, 30.0)
    for name in ("travellers", "checks", "cleared", "referred", "cases", "completeness_222"):
        assert told[name] == told["truth"][name]
    assert "\n" not in GOOD.as_json()


@pytest.mark.parametrize(
    "service",
    [
        replace(COUNTED, counts=replace(COUNTS, cases=2), case_rows=2),
        replace(COUNTED, counts=replace(COUNTS, dispositions={})),
        replace(COUNTED, counts=replace(COUNTS, offline=1)),
        replace(COUNTED, counts=replace(COUNTS, deferred_closed_24h=1)),
        replace(COUNTED, counts=replace(COUNTS, kinds={})),
        replace(COUNTED, counts=replace(COUNTS, ends={"CLEARED": 10, "NO_SHOW": 1})),
        replace(COUNTED, case_rows=0),
        replace(COUNTED, lost=1),
    ],
)
def test_any_difference_or_loss_ends_with_exit_code_1(service: ServiceCounts):
    assert GOOD.exit_code == 0
    assert replace(GOOD, service=service).exit_code == 1


@pytest.mark.parametrize(
    "police",
    [
        replace(POLICE, told=replace(SENT, deliveries=3)),
        replace(POLICE, told=replace(SENT, rejected=2)),
        replace(POLICE, recovered=0),
    ],
)
def test_what_a_department_sent_and_nobody_heard_ends_with_exit_code_1(police: FeedResult):
    assert replace(GOOD, feeds=[police]).exit_code == 1


def test_the_table_of_departments_has_what_was_heard_instead():
    out = io.StringIO()
    deaf = replace(POLICE, told=replace(SENT, rejected=2))
    report.show(replace(GOOD, feeds=[deaf]), Console(file=out, width=100))
    (line,) = [line for line in out.getvalue().splitlines() if "police" in line]
    assert [cell.strip() for cell in line.split("│")[1:-1]] == [
        *("police", "4", "1", "0", "3 (2)", "9", "1, 1 over")
    ]


def test_a_day_without_online_checks_has_no_percentiles():
    assert replace(GOOD, waits_ms=[]).percentile(99) is None


def test_without_a_terminal_progress_is_one_line_a_tenth():
    out = io.StringIO()
    with report.progress(Console(file=out), 40) as checked:
        for _ in range(40):
            checked()
    assert len(out.getvalue().splitlines()) == 10


def test_the_table_names_what_differs_and_the_first_troubles():
    out = io.StringIO()
    troubles = [f"0000-{n:03d}/1: expected [CLEARED]" for n in range(12)]
    bad = ServiceCounts(replace(COUNTS, cases=2), case_rows=1, lost=0)
    report.show(replace(GOOD, service=bad, troubles=troubles), Console(file=out, width=80))
    text = out.getvalue()
    assert "NOT as planned" in text
    assert "0000-009/1: expected [CLEARED]" in text
    assert "and 2 more" in text
