"""The day counted again through the API, as an epidemiologist and an auditor would."""

import asyncio
import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlencode

from twinstile_simulator.bodies import describe_document
from twinstile_simulator.client import (
    CONNECTIONS,
    Json,
    RequestRefused,
    ServiceClient,
    mapping,
    member,
)
from twinstile_simulator.hub import SimulatedHub
from twinstile_simulator.scenarios.reception import ReceivedTraveller
from twinstile_simulator.scenarios.scripts import Script
from twinstile_simulator.truth import Counts


@dataclass(frozen=True, slots=True)
class ServiceCounts:
    counts: Counts
    case_rows: int
    """Rows of the exported line list."""
    lost: int
    """Checks that were acknowledged and cannot be read."""


@dataclass(frozen=True, slots=True)
class RecountScope:
    """What is counted again: the period, who came, and the policy they met after noon."""

    since: str
    until: str
    received: Sequence[ReceivedTraveller]
    version: str
    """Of the policy after noon."""
    run_ids: Sequence[str] = ()
    """Of the crowd."""

    @property
    def query(self) -> str:
        """The period in a request's query string."""
        return urlencode({"from": self.since, "to": self.until})


async def recount(
    service: ServiceClient, hub: SimulatedHub, request: RecountScope
) -> ServiceCounts:
    """Ask for the report, the cases, each acknowledged check and each special traveller."""
    report = await service.ask("GET", f"/v1/reports/period?{request.query}", hub.supervisor)
    taken = f"/v1/exports/cases.csv?{request.query}&purpose=DATA_QUALITY"
    lines = await service.send("GET", taken, hub.epidemiologist)
    known = [id_ for tablet in hub.tablets for id_ in tablet.acknowledged]
    limit = asyncio.Semaphore(CONNECTIONS)
    found = await asyncio.gather(*(_read(service, hub, id_, limit) for id_ in known))
    ends = await _ends(service, hub, request)
    kinds: Counter[str] = Counter()
    for one in request.received:
        told = await _told(service, hub, one)
        kinds[one.group.kind] += await _seen(service, hub, one, request, told)
    expected, matched = await _expected(service, hub, request)
    names = ("travellers", "checks", "cleared", "referred", "cases", "deferred", "no_show")
    names += ("complete_222", "deferred_closed_24h")
    counts = Counts(
        **{name: member(report, name, int) for name in names},
        person_times=member(report, "person_times_checked", int),
        expected=expected,
        matched=matched,
        dispositions=_final(report),
        offline=sum(check["offline"] is True for check in found if check),
        ends=dict(sorted(ends.items())),
        kinds=dict(+kinds),
    )
    case_rows = sum(1 for row in csv.reader(io.StringIO(lines.text)) if row) - 1
    return ServiceCounts(counts, case_rows, lost=found.count(None))


async def _expected(
    service: ServiceClient, hub: SimulatedHub, request: RecountScope
) -> tuple[int, int]:
    """How many were expected on the runs of the crowd, and how many of them were met."""
    paths = [f"/v1/runs/{run_id}/expectations" for run_id in request.run_ids]
    told = [await service.ask("GET", path, hub.supervisor) for path in paths]
    return (
        sum(member(run, "expected", int) for run in told),
        sum(member(run, "screened", int) for run in told),
    )


async def _ends(
    service: ServiceClient, hub: SimulatedHub, request: RecountScope
) -> Counter[str]:
    """Count all screenings of the period by state, page by page."""
    ends: Counter[str] = Counter()
    cursor: object = ""
    while cursor is not None:
        turned = f"&{urlencode({'cursor': cursor})}" if cursor else ""
        path = f"/v1/screenings?{request.query}&limit=500{turned}"
        page = await service.ask("GET", path, hub.supervisor)
        rows = cast("list[object]", member(page, "screenings", list))
        ends.update(member(row, "state", str) for row in rows)
        cursor = page["next"]
    return ends


async def _told(
    service: ServiceClient, hub: SimulatedHub, one: ReceivedTraveller
) -> list[Json]:
    """What the service tells of a special traveller's visits."""
    paths = [f"/v1/screenings/{id_}" for id_ in one.screening_ids]
    return [await service.ask("GET", path, hub.supervisor) for path in paths]


async def _seen(
    service: ServiceClient,
    hub: SimulatedHub,
    one: ReceivedTraveller,
    request: RecountScope,
    visits: Sequence[Json],
) -> bool:
    """Whether the service tells of a special traveller what the script does."""
    scripts, presented = one.traveller.visits, one.traveller.presentation
    recorded = {"evidence": {"credential": presented.recorded}} if presented else {}
    new_policy = one.group.period.under_new_policy
    return (
        len(visits) == len(scripts)
        and all(map(_as_written, scripts, visits))
        and {one.case_id} >= {visit["case_id"] for visit in visits} - {None}
        and all(_decided_by(visit, request.version) == new_policy for visit in visits)
        and not one.misjudged
        and (not recorded or _holds(_checks(visits[0])[0], recorded))
        and (not one.group.looked_up or await _found(service, hub, one))
    )


def _as_written(script: Script, payload: Json) -> bool:
    """Compare the end, the number of checks, and the steps that people took, in order."""
    steps = cast("list[object]", member(payload, "steps", list))
    taken = iter([member(step, "event", str) for step in steps])
    asked = [action.transition for action in script if action.transition]
    checks = sum(action.event is None for action in script)
    return (
        payload["state"] == script[-1].state
        and len(_checks(payload)) == checks
        and all(event in taken for event in asked)
    )


def _decided_by(payload: Json, policy: str) -> bool:
    return any(member(check, "policy_version", str) == policy for check in _checks(payload))


def _checks(payload: Json) -> list[object]:
    return cast("list[object]", payload["checks"])


def _holds(value: object, proof: Mapping[str, object]) -> bool:
    """Whether what is told has all members that prove it."""
    known = mapping(value)
    return all(
        _holds(known.get(name), cast("Mapping[str, object]", part))
        if isinstance(part, Mapping)
        else known.get(name) == part
        for name, part in proof.items()
    )


async def _found(service: ServiceClient, hub: SimulatedHub, one: ReceivedTraveller) -> bool:
    """Look a special traveller up by the number, whatever the gate read."""
    if one.traveller.document is None:
        return False
    body = {"purpose": "IDENTIFICATION", "document": describe_document(one.traveller.document)}
    told = await service.ask("POST", "/v1/lookups", hub.supervisor, body)
    passages = cast("list[object]", member(told, "screenings", list))
    return one.screening_ids == [member(passage, "screening_id", str) for passage in passages]


async def _read(
    service: ServiceClient, hub: SimulatedHub, id_: str, limit: asyncio.Semaphore
) -> Json | None:
    async with limit:
        try:
            return await service.ask("GET", f"/v1/checks/{id_}", hub.supervisor)
        except RequestRefused as error:
            if error.status != 404:
                raise
            return None


def _final(report: Json) -> dict[str, int]:
    """Read how many cases went where in the end, without what nobody was sent to."""
    given = mapping(report.get("dispositions"))
    final = {code: member(count, "final", int) for code, count in sorted(given.items())}
    return {code: count for code, count in final.items() if count}
