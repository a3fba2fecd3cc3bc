"""One provider that takes connections and never answers, and the lanes beside it.

The shipped service runs in a process of its own. Windows in which four lanes ask the provider
and are answered, and windows in which they are not, take turns: its silence is all that
differs, and what others do on the machine disturbs both alike. Lanes that ask nobody check
people all the while. The codes that are answered keep the breaker closed, as it is before
anybody knows what has happened.
"""

import asyncio
import itertools
import json
import secrets
import statistics
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from _code_providers import Code, Fault, simulated

from twinstile.cli import simulate
from twinstile_simulator import hub as hubs
from twinstile_simulator.client import Json, connect, mapping
from twinstile_simulator.documents import guest_id
from twinstile_simulator.tablets import SimulatedTablet

LANES = 4
WINDOW_S = 0.8
PAUSE_S = 0.01
ANSWERED = 6
"""Before each silence, beside the four of the calm window: ten of twenty questions without an
answer would open the breaker, and of fourteen here four are."""
NAME = "张伟"
SAID, SILENT = "SAID", "SILENT"
ENDS = {SAID: "CLEARED", SILENT: "SECONDARY"}
_SERIALS = itertools.count(1)


async def measured(folder: Path, windows: int) -> dict[str, object]:
    """`windows` of each kind. Raises `SystemExit` for an answer that is not as it must be."""
    secret = secrets.token_hex(16).encode()
    codes = {
        SILENT: Code("green", NAME, fault=Fault.BLACK_HOLE),
        SAID: Code("green", NAME),
    }
    async with (
        simulated("generic-rest", secret, codes) as provider,
        _lanes(folder, provider.url, secret) as (plain, asking),
    ):
        for _ in range(2):  # what a first request loads is no part of it
            await _answered(asking)
            await _window(plain, asking, SAID)
        calm: list[list[float]] = []
        beside: list[list[float]] = []
        silent: list[float] = []
        for _ in range(windows):
            calm.append((await _window(plain, asking, SAID))[0])
            waits, answers = await _window(plain, asking, SILENT)
            beside.append(waits)
            silent += answers
            await _answered(asking)
    return {
        "black_hole_p99_ratio": round(_p99s(beside) / _p99s(calm), 3),
        "black_hole_answer_max_ms": round(1000 * max(silent), 1),
        "black_hole_p99_ms": round(1000 * _p99s(beside), 2),
        "black_hole_calm_p99_ms": round(1000 * _p99s(calm), 2),
        "black_hole_asked": len(silent),
    }


def _p99s(windows: list[list[float]]) -> float:
    """The median of the windows' own: one that the machine slept through does not decide."""
    return statistics.median(statistics.quantiles(one, n=100)[-1] for one in windows)


async def _window(
    plain: list[SimulatedTablet], asking: list[SimulatedTablet], code: str
) -> tuple[list[float], list[float]]:
    """How long each check waited in one window: of lanes beside, and of those that ask."""
    ends = time.monotonic() + WINDOW_S

    async def work(tablet: SimulatedTablet) -> list[float]:
        waits: list[float] = []
        while time.monotonic() < ends:
            waits.append(await _check(tablet, "CLEARED"))
            await asyncio.sleep(PAUSE_S)
        return waits

    async with asyncio.TaskGroup() as at_once:
        works = [at_once.create_task(work(tablet)) for tablet in plain]
        asked = [at_once.create_task(_check(one, ENDS[code], code)) for one in asking]
    return [wait for one in works for wait in one.result()], [one.result() for one in asked]


async def _answered(asking: list[SimulatedTablet]) -> None:
    for _ in range(ANSWERED):
        await _check(asking[0], ENDS[SAID], SAID)


async def _check(tablet: SimulatedTablet, state: str, text: str | None = None) -> float:
    """Seconds until the answer, which must lead to that state."""
    status = "PENDING" if text else "GREEN"
    scanned = {"scanned": {"text": text}} if text else {}
    began = time.monotonic()
    answer = await tablet.check({**_somebody(), "credential": {"status": status}, **scanned})
    spent = time.monotonic() - began
    if answer.state != state:
        told = (answer.credential or {}).get("outcome")
        raise SystemExit(f"a check led to {answer.state}, not to {state}: {told}")
    if state == "SECONDARY" and mapping(answer.credential)["colour"] != "UNKNOWN":
        raise SystemExit("of a silent provider something is known")
    return spent


def _somebody() -> Json:
    """Who was never here before: what was found of one says nothing of the next."""
    number = guest_id(next(_SERIALS)).number
    return {
        "assistance": False,
        "illness": False,
        "temperature": {"value": 36.6, "method": "WALK_THROUGH"},
        "identity": {
            "document": {"kind": "RESIDENT_ID", "number": number, "name": NAME},
            "result": "MATCH",
            "method": "READER",
        },
    }


@asynccontextmanager
async def _lanes(
    folder: Path, url: str, secret: bytes
) -> AsyncGenerator[tuple[list[SimulatedTablet], list[SimulatedTablet]]]:
    """Tablets of a service of its own: those that ask nobody, and those that do."""
    (folder / "secret").write_bytes(secret)
    members = {"name": "silent", "profile": "generic-rest", "url": url, "app_id": "bench"}
    members |= {"secret_file": str(folder / "secret"), "prefixes": [SAID, SILENT]}
    lines = [f"{name} = {json.dumps(told)}" for name, told in members.items()]
    file = folder / "providers.toml"
    file.write_text("\n".join(["[[provider]]", *lines, "inside = true"]))
    settings = {"TWINSTILE_PROVIDERS_FILE": str(file)}
    async with simulate.stage(folder, settings) as stage, connect(stage.base_url) as service:
        day = await hubs.open_hub(service, stage.bootstrap, 2 * LANES)
        yield list(day.lanes[:LANES]), list(day.lanes[LANES:])
