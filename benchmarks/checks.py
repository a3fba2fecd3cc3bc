"""How fast checks are recorded over real HTTP, into a database that is not empty.

    python3 dev.py bench checks --json

A service of its own runs in another process with the shipped settings (durable commits, vault
encryption, policy, events). First `--stored` checks are handed over in batches, so that tables
and indexes have a size; then `--clients` tablets send one check after the other for
`--seconds`, each of a person not met before; then the same at a calm, fixed rate. The load
comes from this machine too, so figures include its share of the processors.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import httpx2
import uvloop
from uuid_utils.compat import uuid7

BATCH = 200
CALM_PER_SECOND = 50
_WEIGHTS = [pow(2, 17 - place, 11) for place in range(17)]


async def service(folder: Path) -> None:
    """The child process: a service on a free port until standard input ends."""
    from twinstile import opening, serving  # noqa: PLC0415 # the parent only speaks HTTP
    from twinstile.platform import observe, settings  # noqa: PLC0415

    observe.configure_logging()
    configuration = settings.load(profile="demo", data_dir=folder, database_url=None)
    with opening.server(configuration) as place:
        socket = serving.listen("127.0.0.1", 0)
        async with serving.serving(configuration, place, socket) as running:
            first = running.administrator
            told = {
                "url": running.addresses[0],
                "code": running.enrolment_code,
                "login": first and first.login,
                "passcode": first and first.passcode,
            }
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)


def resident_number(serial: int) -> str:
    """A number that belongs to nobody (no division begins with 77), valid check character."""
    digits = f"77{serial // 1000 % 10000:04}19900101{serial % 1000:03}"
    total = sum(int(d) * weight for d, weight in zip(digits, _WEIGHTS, strict=True))
    return digits + "10X98765432"[total % 11]


def fact(serial: int) -> dict[str, object]:
    document = {"kind": "RESIDENT_ID", "number": resident_number(serial), "name": "张伟"}
    return {
        "observed_at": datetime.now(UTC).isoformat(),
        "temperature": {"value": 36.5, "method": "WALK_THROUGH"},
        "credential": {"status": "GREEN"},
        "identity": {"document": document, "result": "MATCH"},
        "reminders": ["R2"],
        "services": [
            {"kind": "S1", "outcome": "OFFERED"},
            {"kind": "S2", "outcome": "OFFERED"},
        ],
    }


class Tablet:
    """One device with a screener on shift."""

    def __init__(self, client: httpx2.AsyncClient, token: str, serials: count) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"}
        self._serials = serials
        self._counter = count(1)

    async def put(self) -> float:
        """Send one check; milliseconds until its answer."""
        moment = datetime.now(UTC).isoformat()
        body = {**fact(next(self._serials)), "counter": next(self._counter), "sent_at": moment}
        started = time.perf_counter()
        answer = await self._client.put(
            f"/v1/checks/{uuid7()}", json=body, headers=self._headers
        )
        if answer.status_code != 201:
            raise SystemExit(f"unexpected answer {answer.status_code}: {answer.text[:200]}")
        return 1000 * (time.perf_counter() - started)

    async def hand_over(self, size: int) -> None:
        items = [
            {
                "kind": "check",
                "id": str(uuid7()),
                "counter": next(self._counter),
                "body": fact(next(self._serials)),
            }
            for _ in range(size)
        ]
        body = {"sent_at": datetime.now(UTC).isoformat(), "items": items}
        answer = await self._client.post("/v1/facts:batch", json=body, headers=self._headers)
        if {item["status"] for item in answer.json()["items"]} != {"stored"}:
            raise SystemExit("the backlog was not stored")


async def tablets(
    client: httpx2.AsyncClient, told: dict[str, str], number: int
) -> list[Tablet]:
    async def post(path: str, token: str | None, body: object) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = await client.post(path, json=body, headers=headers)
        answer.raise_for_status()
        return answer.json()

    async def sign_in(code: str, login: str, passcode: str) -> str:
        device = await post("/v1/devices:enrol", None, {"code": code, "name": "benchmark"})
        shift = await post(
            "/v1/shifts", device["token"], {"login": login, "passcode": passcode}
        )
        return shift["token"]

    admin = await sign_in(told["code"], told["login"], told["passcode"])
    screener = {
        "login": "bench",
        "display_name": "Bench",
        "roles": ["screener"],
        "passcode": "bench-222-222",
    }
    await post("/v1/operators", admin, screener)
    serials = count()
    found = []
    for _ in range(number):
        code = (await post("/v1/enrolments", admin, {}))["code"]
        token = await sign_in(code, "bench", "bench-222-222")
        found.append(Tablet(client, token, serials))
    return found


async def for_seconds(seconds: float, work: Callable[[], Awaitable[float]]) -> list[float]:
    end, waits = time.perf_counter() + seconds, []
    while time.perf_counter() < end:
        waits.append(await work())
    return waits


async def calm(crew: list[Tablet], seconds: float) -> list[float]:
    """An open loop: a check starts when it is due, whatever the others do."""
    tasks = []
    started = time.perf_counter()
    for n in range(int(seconds * CALM_PER_SECOND)):
        await asyncio.sleep(max(0, started + n / CALM_PER_SECOND - time.perf_counter()))
        tasks.append(asyncio.create_task(crew[n % len(crew)].put()))
    return list(await asyncio.gather(*tasks))


def percentile(waits: list[float], share: float) -> float:
    return round(sorted(waits)[min(len(waits) - 1, int(share * len(waits)))], 2)


async def measure(told: dict[str, str], options: argparse.Namespace) -> dict[str, object]:
    limits = httpx2.Limits(max_connections=options.clients + 4)
    async with httpx2.AsyncClient(base_url=told["url"], limits=limits, timeout=30) as client:
        crew = await tablets(client, told, options.clients)
        started = time.perf_counter()
        for n in range(0, options.stored, BATCH):
            await crew[n // BATCH % len(crew)].hand_over(min(BATCH, options.stored - n))
        loading = time.perf_counter() - started
        rounds = []
        for _ in range(options.rounds):
            own = time.process_time()
            waits = await asyncio.gather(
                *(for_seconds(options.seconds, tablet.put) for tablet in crew)
            )
            busy = (time.process_time() - own) / options.seconds
            rounds.append(([wait for mine in waits for wait in mine], busy))
        rounds.sort(key=lambda measured: len(measured[0]))
        waits, busy = rounds[len(rounds) // 2]
        quiet = await calm(crew, options.seconds)
    return {
        "clients": options.clients,
        "stored_before": options.stored,
        "batch_checks_per_s": round(options.stored / loading) if options.stored else None,
        "checks_per_s": round(len(waits) / options.seconds),
        "p50_ms": percentile(waits, 0.5),
        "p95_ms": percentile(waits, 0.95),
        "p99_ms": percentile(waits, 0.99),
        "calm_per_s": CALM_PER_SECOND,
        "calm_p50_ms": percentile(quiet, 0.5),
        "calm_p99_ms": percentile(quiet, 0.99),
        "load_generator_cpu": round(busy, 2),
        "processors": os.cpu_count(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3, help="the median one is told")
    parser.add_argument("--stored", type=int, default=20_000, help="checks stored beforehand")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--service", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.service:
        uvloop.run(service(options.service))
        return
    with tempfile.TemporaryDirectory(prefix="twinstile-bench-") as folder:
        Path(folder).chmod(0o755)  # as root, PostgreSQL runs as another account and passes here
        child = subprocess.Popen(  # noqa: S603 # ourselves
            [sys.executable, __file__, "--service", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            line = child.stdout.readline() if child.stdout else ""
            if not line:
                raise SystemExit("the service did not start")
            result = uvloop.run(measure(json.loads(line), options))
        finally:
            if child.stdin:
                child.stdin.close()
            child.wait(30)
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:20} {value}")


if __name__ == "__main__":
    main()
