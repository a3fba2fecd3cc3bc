"""What people and programs see of a simulated day: progress, a closing table, one JSON line."""

import json
import math
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from twinstile_simulator.departments.feed_monitor import COUNTERS, FeedResult
from twinstile_simulator.recount import ServiceCounts
from twinstile_simulator.truth import Counts

SHOWN_TROUBLES = 10

Facts = dict[str, object]


@dataclass(frozen=True, slots=True)
class DayResult:
    """The truth, the recount, and how long travellers waited for the machine."""

    truth: Counts
    service: ServiceCounts
    feeds: Sequence[FeedResult]
    waits_ms: Sequence[float]
    """Per online check, ascending."""
    troubles: Sequence[str]
    seconds: float

    @property
    def equal(self) -> bool:
        counted = self.service.counts
        heard = all(feed.as_sent for feed in self.feeds)
        cases = counted.cases == self.service.case_rows
        return heard and counted == self.truth and cases

    @property
    def exit_code(self) -> int:
        return 0 if self.equal and not self.service.lost else 1

    def percentile(self, percent: int) -> float | None:
        """Nearest rank; None when no check was made online."""
        if not self.waits_ms:
            return None
        rank = math.ceil(percent / 100 * len(self.waits_ms))
        return round(self.waits_ms[rank - 1], 1)

    def as_json(self) -> str:
        """Write the result as one line of JSON."""
        facts = _facts(self.service.counts) | {
            "p50_ms": self.percentile(50),
            "p95_ms": self.percentile(95),
            "p99_ms": self.percentile(99),
            "lost": self.service.lost,
            "case_rows": self.service.case_rows,
            "seconds": round(self.seconds, 1),
            "troubles": len(self.troubles),
            "feeds": [asdict(feed) for feed in self.feeds],
            "truth": _facts(self.truth),
            "equal": self.equal,
        }
        return json.dumps(facts)


def _facts(counts: Counts) -> Facts:
    """Add to the counts the share of passages in which all of 2-2-2 was done."""
    times = counts.person_times
    share = round(counts.complete_222 / times, 4) if times else None
    return {**asdict(counts), "completeness_222": share}


@contextmanager
def progress(console: Console, total: int) -> Generator[Callable[[], None]]:
    """Yield what counts one check: a bar on a terminal, a line per tenth elsewhere."""
    done = 0
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("checks", total=total)

        def count() -> None:
            nonlocal done
            done += 1
            bar.advance(task)
            tenth = done * 10 // total
            if not console.is_terminal and tenth > (done - 1) * 10 // total:
                console.print(f"{done} of {total} checks")

        yield count


def _rows(counts: Counts) -> Facts:
    whole: Facts = asdict(counts)
    tables = {
        "sent to": counts.dispositions,
        "ended": counts.ends,
        "seen:": counts.kinds,
    }
    plain = {n.replace("_", " "): c for n, c in whole.items() if not isinstance(c, dict)}
    return plain | {
        f"{label} {name}": count
        for label, table in tables.items()
        for name, count in table.items()
    }


def _feeds(feeds: Sequence[FeedResult]) -> Table:
    """What each department sent, and in brackets what was heard where that is not the same."""
    table = Table("", *COUNTERS, "rows", "outages", title="The departments")
    for feed in feeds:
        sent, told = (list(asdict(side).values()) for side in (feed.sent, feed.told))
        pairs = zip(sent, told, strict=True)
        cells = [str(said) if said == heard else f"{said} ({heard})" for said, heard in pairs]
        outages = f"{feed.outages}, {feed.recovered} over"
        style = None if feed.as_sent else "bold red"
        table.add_row(feed.name, *cells, str(feed.rows), outages, style=style)
    return table


def show(result: DayResult, console: Console) -> None:
    """Print the closing table, and the first troubles if there were any."""
    table = Table("", "truth", "service", title="The day, planned and counted")
    planned, counted = _rows(result.truth), _rows(result.service.counts)
    for name in planned | counted:
        pair = str(planned.get(name, 0)), str(counted.get(name, 0))
        table.add_row(name, *pair, style=None if pair[0] == pair[1] else "bold red")
    table.add_row("case rows exported", str(result.truth.cases), str(result.service.case_rows))
    table.add_row("acknowledged and lost", "0", str(result.service.lost))
    console.print(table)
    console.print(_feeds(result.feeds))
    waits = ", ".join(f"p{percent} {result.percentile(percent)} ms" for percent in (50, 95, 99))
    console.print(f"answer at the lane: {waits}; the day took {result.seconds:.1f} s")
    for trouble in result.troubles[:SHOWN_TROUBLES]:
        console.print(f"otherwise than planned: {trouble}", markup=False)
    if len(result.troubles) > SHOWN_TROUBLES:
        console.print(f"and {len(result.troubles) - SHOWN_TROUBLES} more")
    console.print("equal, nothing lost" if result.exit_code == 0 else "NOT as planned")
