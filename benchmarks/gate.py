"""What recording a check costs: the service as shipped, against nothing and against a textbook.

    python3 dev.py bench gate --json

All variants but TABLET answer `PUT /v1/checks/{id}`, on one machine, with one load generator,
one PostgreSQL server (the embedded one with its shipped, durable settings) and the same people:

EMPTY     the shipped application with a committer that commits nothing: HTTP server, guard,
          middleware, router, token look-up, scopes, reading of body and document, model of the
          answer are the shipped code on the shipped route. Decides nothing and stores nothing;
          the database only tells it who is calling, remembered as long as the service remembers
          it. What deciding costs counts against DURABLE.
TEXTBOOK  FastAPI with one SQLAlchemy ORM session a request and the default pool, as tutorials
          show it, writing the same rows under the same indexes in a database of its own, with
          the service's body models, document reader, ciphers and rules. Looks up caller,
          policy, known check, person, screening, lane, reminder and suspicions one SELECT each;
          asks less than the service does. It stores and commits as durably.
DURABLE   `python -m twinstile serve` and nothing else: policy, vault encryption, events,
          commits that wait for the disk (`synchronous_commit=on`).
TABLET    the server of DURABLE, asked as the shipped gate page does: `POST /v1/facts:batch`
          with one check in each request. It has the members `tablet_*` and no limit yet.

Rules. All servers of a phase are up together and idle while one is measured: a repetition
begins when the one before has come to rest, and how long that took is told (`rest_s`), so that
work put off is not work saved. Each round measures every variant once, in alternating order;
ratios are taken within a round; every figure is the median of the rounds. A repetition during
which processes not ours used more than `DISTURBED` processors is measured again, at most
`REDONE` times, and the quietest is kept; what remained is reported (`foreign_cpu`). The load
comes from this machine too and takes its share of the processors from all variants alike
(`load` in `cpu_us`). Each request is a new person with a new UUIDv7 id from one of `--clients`
tablets with its own connection, token and counter; 0.3 % have a fever. Throughput: a closed
loop, the next request when the answer is there; only 201 counts, and of a batch only an item
that is `stored`. Calm: Poisson arrivals at `CALM_PER_S`, waits counted from the moment a
request was due. In the end the rows of both databases are counted against every 201 given
(`lost`) and compared in shape (`rows_alike`).

What this does not tell: network latency, slower disks (see `fdatasync_us`), other machines.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

import _bench
import _growth
import _table
from _bench import Bench, Plan

DISTURBED = 0.10
"""Processors' worth of others' work above which a repetition is done again."""
REDONE = 2
CALM_PER_S = 200
WARM_REQUESTS = 1000
"""Before a variant is measured, so that every connection has prepared what it asks."""


def main() -> None:
    options = arguments()
    for name in [name for name in os.environ if name.startswith("TWINSTILE_")]:
        del os.environ[name]  # the settings as shipped, whatever this shell has set
    plan = Plan(
        variants=options.variant or list(_bench.VARIANTS),
        clients=options.clients,
        rounds=1 if options.quick else options.rounds,
        seconds=min(options.seconds, 1.0) if options.quick else options.seconds,
        calm_per_s=CALM_PER_S,
        disturbed=DISTURBED,
        redone=0 if options.quick else REDONE,
        warm_requests=1 if options.quick else WARM_REQUESTS,
    )
    with tempfile.TemporaryDirectory(prefix="twinstile-bench-", dir=options.folder) as made:
        Path(made).chmod(0o711)  # passable for the account of root's database server
        with _bench.opened(Path(made), plan) as bench:
            result = measured(bench, options)
    print(json.dumps(result) if options.json else _table.readable(result))
    sys.exit(1 if result.get("lost") or result.get("rows_alike") is False else 0)


def measured(bench: Bench, options: argparse.Namespace) -> dict[str, object]:
    """What was asked for, in one result."""
    if options.profile:
        return {"profile": bench.profiled(options.seconds)}
    if options.growth:
        return {**_growth.measured(bench, options.stored), **bench.machine()}
    result = bench.phase(workers=1)
    if not options.one_worker:
        missing = _bench.no_workers()
        result["two_workers"] = None if missing else bench.phase(workers=2)
        result["two_workers_missing"] = missing
    return {**result, **asyncio.run(bench.kept()), **bench.machine()}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quick", action="store_true", help="one short repetition of each")
    parser.add_argument("--variant", action="append", choices=list(_bench.VARIANTS))
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.5, help="of one repetition")
    parser.add_argument("--one-worker", action="store_true", help="leave out two workers")
    parser.add_argument("--growth", action="store_true", help="10 thousand against --stored")
    parser.add_argument("--stored", type=int, default=2_000_000)
    parser.add_argument("--profile", action="store_true", help="where DURABLE's time goes")
    parser.add_argument("--folder", type=Path, help="where the data are made, and removed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
