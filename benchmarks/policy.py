"""What a decision costs, and how many stored checks a second another policy is tried on.

    python3 dev.py bench policy --json

`decide_p50_us`, `decide_p99_us`: `rules.decide` with nothing remembered, as for the first
traveller who brings just this: from the evidence of a passage to facts, rules and the next
state; processor time, so that others' work on the machine does not count. Policy: the shipped
pack with the most rules. Evidence: what the checks of `_day` bring, each passage as far as it
is, with tests and itineraries at one in four.

`replay_checks_per_s`: a replay as the service does it, from its first statement to its result,
over a database with the shipped, durable settings. `--templates` travellers are recorded by the
way of the gates, then copied by SQL under new ids until there are `--stored` checks; the policy
is the one they were decided by, so the replay has to find nothing, or the benchmark fails. The
fastest of `--rounds` counts, for others work on the machine too; all are told. This process is
kept on one processor; the database server has its own (`replay_cpu_us`: what one check takes
of ours, `--one-core` puts both on one).
"""

import argparse
import asyncio
import gc
import json
import os
import random
import statistics
import tempfile
import time
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import _day
from _hub import place_of, settings_of

from twinstile.operations import startup
from twinstile.platform.db import embedded_server
from twinstile.platform.db.database import Database
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ops import clock
from twinstile.platform.security import devices
from twinstile.policy import documents, versions
from twinstile.policy.documents import PolicyError
from twinstile.policy.types import HubPolicy
from twinstile.replay import stored, stream
from twinstile.replay.stream import ReplayPlan
from twinstile.screening import machine, rules
from twinstile.screening.decision_context import DecisionContext
from twinstile.screening.evidence import Evidence
from twinstile.screening.types import ScreeningState

HUB = "bench"


def main() -> None:
    options = arguments()
    for name in [name for name in os.environ if name.startswith("TWINSTILE_")]:
        del os.environ[name]  # the settings as shipped
    if options.quick:
        options.decisions, options.templates, options.stored = 2000, 400, 2000
        options.rounds = 1
    cores = sorted(os.sched_getaffinity(0))
    if options.one_core:
        os.sched_setaffinity(0, cores[-1:])
    with tempfile.TemporaryDirectory(prefix="twinstile-bench-", dir=options.folder) as made:
        Path(made).chmod(0o711)  # passable for the account of root's database server
        with embedded_server.start(Path(made)) as server:
            os.sched_setaffinity(0, cores[-1:])
            result = asyncio.run(measured(Path(made), server, options))
    print(json.dumps(result) if options.json else readable(result))


async def measured(
    folder: Path, server: embedded_server.EmbeddedServer, options: argparse.Namespace
) -> dict[str, object]:
    place = place_of(server, "twinstile")
    await startup.prepare(place)
    settings = settings_of(folder)
    runtime = startup.open_runtime(settings.model_copy(update={"hub_id": HUB}), place)
    name, document = largest()
    until = clock.now()
    since = until - timedelta(hours=20)
    sent = _day.travellers(options.templates, since, timedelta(hours=18), 222)
    try:
        async with runtime.database.transaction() as tx:
            await devices.open_hub(tx, runtime.settings, until)
            policy = await versions.put_in_force(tx, HUB, document, startup.ALWAYS, until)
            await _day.lanes(tx, HUB)
        await _day.recorded(runtime, HUB, sent)
        owner = Database(place.owner_url, pool_size=1, statement_timeout_ms=600_000)
        async with owner.transaction() as tx:
            await _day.copied(tx, HUB, max(0, -(-options.stored // len(sent)) - 1))
        async with owner.engine.connect() as connection:
            await connection.exec_driver_sql("VACUUM ANALYZE")
        await owner.close()
        plan = ReplayPlan(HUB, policy, runtime.settings.zone, since - _day.BEFORE, until)
        figures = await replayed(runtime, plan, options.rounds)
        mix = await evidence(runtime, plan)
    finally:
        await runtime.database.close()
    return {
        "pack": name,
        "rules": len(policy.rules),
        **decided(policy, mix, options.decisions),
        **figures,
        "python": ".".join(map(str, __import__("sys").version_info[:3])),
    }


def largest() -> tuple[str, dict[str, object]]:
    """The shipped policy with the most rules."""
    found: list[tuple[int, str, dict[str, object]]] = []
    for path in sorted((files("twinstile.policy") / "packs").iterdir(), key=lambda p: p.name):
        name = path.name.removesuffix(".json")
        try:
            document = documents.pack(name)
            found.append((len(documents.compile_document(document).rules), name, document))
        except PolicyError:
            continue  # the entry rules of a country are no hub's policy
    _, name, document = max(found, key=lambda one: one[0])
    return name, document


async def replayed(runtime: Runtime, plan: ReplayPlan, rounds: int) -> dict[str, object]:
    """Replays of the policy the checks were decided by: nothing may differ."""
    rates: list[float] = []
    cpu: list[float] = []
    checks = await stream.expected(runtime.database, plan)
    for _ in range(rounds):
        began, worked = time.perf_counter(), time.process_time()
        told = await stream.run(runtime.database, plan)
        rates.append(told.checks / (time.perf_counter() - began))
        cpu.append((time.process_time() - worked) / told.checks * 1e6)
        if (told.checks, told.checks_elsewhere, told.reasons_elsewhere) != (checks, 0, 0):
            raise SystemExit(f"the replay differs from what was decided: {told}")
    return {
        "replay_checks_per_s": round(max(rates)),
        "replay_rounds_per_s": [round(rate) for rate in rates],
        "replay_cpu_us": round(min(cpu), 1),
        "stored_checks": checks,
    }


Asked = tuple[ScreeningState, Evidence, DecisionContext]


async def evidence(runtime: Runtime, plan: ReplayPlan) -> list[Asked]:
    """What decisions are asked about: the first pages of what is stored, passage by passage."""
    asked: list[Asked] = []
    known: dict[object, Evidence] = {}
    states: dict[object, ScreeningState] = {}
    async with runtime.database.reading() as tx:
        rows = await tx.raw.fetch(
            'SELECT screening_id, observed_at, evidence::text, state FROM "check"'
            " WHERE hub_id = $1 ORDER BY received_at, counter, id LIMIT 20000",
            plan.hub_id,
        )
    for screening_id, observed_at, text, state in rows:
        brought, told = stored.brought(text)
        whole = known.get(screening_id, Evidence()).joined(brought)
        known[screening_id] = whole
        day = observed_at.astimezone(plan.zone).date()
        before = states.get(screening_id, machine.START)
        asked.append((before, whole, DecisionContext.stored(observed_at, day, told)))
        states[screening_id] = ScreeningState(state)
    return asked


def decided(policy: HubPolicy, mix: list[Asked], decisions: int) -> dict[str, object]:
    """Microseconds of decisions, none of which is remembered; garbage is collected."""
    if not gc.isenabled():
        raise SystemExit("garbage collection is off")
    dice = random.Random(222)
    clear, ask, tick = rules._decide.cache_clear, rules.decide, time.thread_time_ns  # noqa: SLF001
    taken: list[int] = []
    for _ in range(decisions):
        state, known, around = dice.choice(mix)
        clear()
        began = tick()
        ask(state, known, around, policy)
        taken.append(tick() - began)
    taken.sort()
    return {
        "decide_p50_us": round(statistics.median(taken) / 1000, 1),
        "decide_p99_us": round(taken[int(len(taken) * 0.99)] / 1000, 1),
        "decisions": decisions,
    }


def readable(result: dict[str, object]) -> str:
    return "\n".join(f"{name:22} {value}" for name, value in result.items())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quick", action="store_true", help="a few seconds, little said")
    parser.add_argument("--decisions", type=int, default=40_000)
    parser.add_argument("--templates", type=int, default=5000, help="travellers recorded")
    parser.add_argument("--stored", type=int, default=100_000, help="checks to replay")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one-core", action="store_true", help="with the database server")
    parser.add_argument("--folder", type=Path, help="where the data are made, and removed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
