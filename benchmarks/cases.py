"""Lists of cases on a hub that has had many, and the contacts of a case on a long train.

    python3 dev.py bench cases --json

A service as shipped (`twinstile serve`) over a database with 200,000 cases (one in ten open),
as many deferrals (one in ten open) and one million contacts; nothing is analysed by hand.
Figures are of whole requests, one after another, from a client on the same machine; each list
is paged through, and begun again at random.

`open_cases_p95_ms`: open cases by time left. `call_list_p95_ms`: who is to be called next.
`debt_list_p95_ms`: open deferrals by time left, of all destinations; the same of one.
`owed_reports_p95_ms`: reports the law asks for. In all of them
a page is 50 rows. `floor_p95_ms`: the same of a route that lists nothing, and `cpu_ms` what a
page takes of the service's and of PostgreSQL's processors: on a machine that does other things
as well, these tell what is the list's own. `contacts_16_coach_s`: the slowest of `--rounds`
requests that find, rank and store the contacts of a patient among 1,200 travellers of a train
of 16 coaches.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import _hub
import _machine
import asyncpg
import httpx2
from _load import resident_number
from arrivals import postmaster, standing
from uuid_utils.compat import uuid7

from twinstile.platform.db import embedded_server

CASES, CONTACTS, TRAVELLERS, COACHES = 200_000, 1_000_000, 1200, 16
WARM = 5
"""Requests before those that count: connections are made and statements prepared."""
STOPS = ["Beijing South", "Jinan West", "Nanjing South", "Hangzhou East"]
LISTS = {
    "open_cases_p95_ms": ("/v1/cases", "cases", {"by": "DUE"}),
    "debt_list_p95_ms": ("/v1/deferrals", "deferrals", {}),
    "debt_of_destination_p95_ms": ("/v1/deferrals", "deferrals", {"destination": "330106"}),
    "call_list_p95_ms": ("/v1/follow-ups", "contacts", {}),
    "owed_reports_p95_ms": ("/v1/suspicions", "suspicions", {}),
}

_SCREENINGS = """
INSERT INTO screening (hub_id, screening_id, person_id, checkpoint, state, opened_at,
    state_since, closed_at, deferred_at, fold, checks, reminders, verifications, services)
SELECT $1, gen_random_uuid(), gen_random_uuid(), 'north',
    CASE WHEN n % 10 = 0 THEN 'DEFERRED' ELSE 'CLEARED' END,
    now() - n * interval '1 second', now(), CASE WHEN n % 10 > 0 THEN now() END,
    now() - n * interval '1 second', '{}', 1, '{}', '{}', '{}'
FROM generate_series(1, $2::int) n
"""
_DEFERRALS = """
INSERT INTO deferral (hub_id, deferral_id, screening_id, reason, opened_at, due_at,
    destination, closed_at, outcome)
SELECT hub_id, gen_random_uuid(), screening_id, 'OUTAGE', opened_at,
    now() + (random() * 24 + 1) * interval '1 hour',
    (ARRAY['330106', '310000', '320100', NULL])[1 + (random() * 3)::int], closed_at,
    CASE WHEN closed_at IS NOT NULL THEN 'matched_clear' END
FROM screening WHERE hub_id = $1
"""
_CASES = """
INSERT INTO fever_case (hub_id, case_id, case_no, screening_id, person_id, origin, state,
    opened_at, state_since, due_at, closed_at, first_tenths, peak_tenths, episode_of)
SELECT $1, gen_random_uuid(), 'B' || n, gen_random_uuid(), gen_random_uuid(),
    'CONFIRMED_ABNORMAL', CASE WHEN n % 10 = 0 THEN 'IN_CARE' ELSE 'CLOSED_EXCLUDED' END,
    now() - n * interval '1 minute', now(),
    CASE WHEN n % 10 = 0 THEN now() + (random() * 24 + 1) * interval '1 hour' END,
    CASE WHEN n % 10 > 0 THEN now() END, 381, 386,
    CASE WHEN n % 10 = 0 THEN gen_random_uuid() END
FROM generate_series(1, $2::int) n
"""
_SUSPICIONS = """
INSERT INTO suspicion (hub_id, suspicion_id, case_id, within, case_class, disease,
    suspected_at, due_at, recorded_at, device_id, operator_id, filed_at, reference)
SELECT hub_id, gen_random_uuid(), case_id, 'ONE_DAY', 'SUSPECTED', '0202', opened_at,
    opened_at + interval '24 hours', opened_at, gen_random_uuid(), gen_random_uuid(),
    CASE WHEN due_at IS NULL THEN opened_at + interval '1 hour' END,
    CASE WHEN due_at IS NULL THEN 'x' END
FROM fever_case WHERE hub_id = $1
"""
_CALLS = """
INSERT INTO follow_up (hub_id, follow_up_id, case_id, kind, day, due_at, attempts, done_at,
    outcome)
SELECT hub_id, gen_random_uuid(), case_id, 'CALL', 1, opened_at + interval '24 hours', 0,
    CASE WHEN due_at IS NULL THEN opened_at + interval '25 hours' END,
    CASE WHEN due_at IS NULL THEN 'REACHED' END
FROM fever_case WHERE hub_id = $1
"""
_LISTS = """
INSERT INTO contact_list (hub_id, list_id, case_id, made_at, device_id, operator_id,
    policy_version, asked, runs, known, close, general)
SELECT hub_id, gen_random_uuid(), case_id, now(), gen_random_uuid(), gen_random_uuid(),
    'cn-hub-2', '{}', '{}', '{}', 100, 400
FROM fever_case WHERE hub_id = $1 LIMIT $2
"""
_CONTACTS = """
INSERT INTO contact
    (hub_id, list_id, n, person_id, coach, seat, contact_class, points, reasons)
SELECT hub_id, list_id, n, gen_random_uuid(), '3', n || 'A', 'GENERAL', 20,
    '[{"rule_id": "GATE", "certain": true, "earlier": false, "legs": null}]'
FROM contact_list, generate_series(1, 500) n WHERE hub_id = $1
"""


def main() -> None:
    options = arguments()
    for name in [name for name in os.environ if name.startswith("TWINSTILE_")]:
        del os.environ[name]  # the settings as shipped
    if options.quick:
        options.cases, options.contacts, options.requests, options.rounds = 2000, 5000, 10, 2
    with tempfile.TemporaryDirectory(prefix="twinstile-bench-", dir=options.folder) as made:
        folder = Path(made)
        folder.chmod(0o711)  # passable for the account of root's database server
        with embedded_server.start(folder) as server:
            result = asyncio.run(measured(folder, server, options))
    told = "\n".join(f"{name:28} {value}" for name, value in result.items())
    print(json.dumps(result) if options.json else told)
    sys.exit(0)


async def measured(
    folder: Path, server: embedded_server.EmbeddedServer, options: argparse.Namespace
) -> dict[str, object]:
    settings, place = _hub.settings_of(folder), _hub.place_of(server, "twinstile")
    (tablet,) = await _hub.furnish(settings, place, 1)
    database = await asyncpg.connect(place.owner_url.replace("+asyncpg", ""))
    await fill(database, settings.hub_id, options)
    await database.close()
    pid = postmaster(folder)
    async with standing(folder, place.owner_url, tablet.token, pid, settings.zone) as stand:
        lists: dict[str, float] = {}
        cpu_ms: dict[str, float] = {}
        for name, of in LISTS.items():
            began = stand.used()
            lists[name] = await paged(stand.http, *of, options.requests)
            spent = sum(stand.used().since(began).trees.values())
            cpu_ms[name.removesuffix("_p95_ms")] = round(
                spent * 1000 / (options.requests + WARM), 1
            )
        floor = await answered(stand.http, "/v1/me", options.requests)
        slowest, found = await contacts(stand.http, options.rounds)
        return {
            **lists,
            "floor_p95_ms": floor,
            "cpu_ms": cpu_ms,
            "contacts_16_coach_s": round(slowest, 3),
            "contacts_found": found,
            "cases": options.cases,
            "contacts": options.contacts,
            **await _machine.facts(folder, place.owner_url.replace("+asyncpg", "")),
        }


async def fill(database: asyncpg.Connection, hub_id: str, options: argparse.Namespace) -> None:
    roles = ["screener", "medic", "epidemiologist", "supervisor"]
    await database.execute("UPDATE shift SET roles = $1", roles)
    for statement, *more in (
        (_SCREENINGS, options.cases),
        (_DEFERRALS,),
        (_CASES, options.cases),
        (_SUSPICIONS,),
        (_CALLS,),
        (_LISTS, options.contacts // 500),
        (_CONTACTS,),
    ):
        await database.execute(statement, hub_id, *more, timeout=600)


async def paged(
    http: httpx2.AsyncClient, path: str, member: str, query: dict[str, str], requests: int
) -> float:
    """Milliseconds below which 95 of 100 pages came."""
    took: list[float] = []
    cursor = None
    for _ in range(WARM):
        (await http.get(path, params={**query, "limit": 50})).raise_for_status()
    while len(took) < requests:
        more = {"cursor": cursor} if cursor else {}
        began = time.perf_counter()
        answer = await http.get(path, params={**query, **more, "limit": 50})
        took.append((time.perf_counter() - began) * 1000)
        page = answer.raise_for_status().json()
        if not page[member]:
            raise SystemExit(f"{path} lists nobody")
        cursor = page["next"] if random.random() < 0.9 else None  # not a secret
    return round(statistics.quantiles(took, n=20)[-1], 1)


async def answered(http: httpx2.AsyncClient, path: str, requests: int) -> float:
    """The same of a route that lists nothing: what the machine lets a request take now."""
    took: list[float] = []
    for _ in range(requests):
        began = time.perf_counter()
        (await http.get(path)).raise_for_status()
        took.append((time.perf_counter() - began) * 1000)
    return round(statistics.quantiles(took, n=20)[-1], 1)


def entries(numbers: Iterator[int]) -> list[dict[str, object]]:
    """Travellers of a train of 16 coaches, 75 each."""
    of_coach = TRAVELLERS // COACHES
    return [
        {
            "entry_id": str(n),
            "document": {
                "kind": "RESIDENT_ID",
                "number": resident_number(next(numbers)).decode(),
                "name": "张伟",
            },
            "coach": str(n // of_coach + 1),
            "seat": f"{n % of_coach // 5 + 1}{'ABCDF'[n % 5]}",
            "board_stop": STOPS[n % 3],
            "alight_stop": STOPS[-1],
        }
        for n in range(TRAVELLERS)
    ]


async def contacts(http: httpx2.AsyncClient, rounds: int) -> tuple[float, int]:
    """The slowest seconds to trace a patient on such a train, and how many were found."""
    run, now = uuid4(), datetime.now(UTC)
    announced = {
        "mode": "RAIL",
        "service_no": "G31",
        "service_date": f"{now:%Y-%m-%d}",
        "origin": STOPS[0],
        "terminus": STOPS[-1],
        "scheduled_arrival": now.isoformat(),
        "stops": STOPS,
    }
    (await http.put(f"/v1/runs/{run}", json=announced)).raise_for_status()
    people = entries(iter(range(1, TRAVELLERS + 1)))
    landed = await http.put(f"/v1/runs/{run}/manifest", json={"batch": 1, "entries": people})
    landed.raise_for_status()
    case_id = await confirmed(http, people[300]["document"])
    took: list[float] = []
    found = 0
    for _ in range(rounds):
        began = time.perf_counter()
        answer = await http.put(f"/v1/cases/{case_id}/contact-lists/{uuid4()}", json={})
        took.append(time.perf_counter() - began)
        told = answer.raise_for_status().json()
        found = told["close"] + told["general"]
    return max(took), found


async def confirmed(http: httpx2.AsyncClient, document: object) -> UUID:
    """The case of somebody in whom two methods find a fever."""
    told = {"case_id": None}
    for counter, (celsius, method) in enumerate(((38.1, "WALK_THROUGH"), (38.6, "EAR")), 1):
        at = datetime.now(UTC) - timedelta(seconds=1)
        body = {
            "observed_at": at.isoformat(),
            "sent_at": at.isoformat(),
            "counter": counter,
            "temperature": {"value": celsius, "method": method},
            "credential": {"status": "GREEN"},
            "identity": {"document": document, "result": "MATCH"},
        }
        answer = await http.put(f"/v1/checks/{uuid7()}", json=body)
        told = answer.raise_for_status().json()
    return UUID(str(told["case_id"]))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quick", action="store_true", help="small, to see that it runs")
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--contacts", type=int, default=CONTACTS)
    parser.add_argument("--requests", type=int, default=200, help="of each list")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the data are made, and removed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
