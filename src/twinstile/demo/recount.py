"""The day counted again through the API, as an epidemiologist and an auditor would."""

import asyncio
import csv
import io
from dataclasses import dataclass
from urllib.parse import urlencode

from twinstile.demo.client import CONNECTIONS, Json, Refused, Service, mapping, member
from twinstile.demo.hub import Hub
from twinstile.demo.truth import Counts


@dataclass(frozen=True, slots=True)
class Recount:
    counts: Counts
    case_rows: int
    """Rows of the exported line list."""
    lost: int
    """Checks that were acknowledged and cannot be read."""


async def recount(service: Service, hub: Hub, since: str, until: str) -> Recount:
    """Ask for the period's report, for its cases, and for each acknowledged check."""
    query = urlencode({"from": since, "to": until})
    report = await service.ask("GET", f"/v1/reports/period?{query}", hub.supervisor)
    taken = f"/v1/exports/cases.csv?{query}&purpose=DATA_QUALITY"
    lines = await service.send("GET", taken, hub.epidemiologist)
    known = [id_ for tablet in hub.tablets for id_ in tablet.acknowledged]
    limit = asyncio.Semaphore(CONNECTIONS)
    found = await asyncio.gather(*(_readable(service, hub, id_, limit) for id_ in known))
    return Recount(
        counts=_counts(report),
        case_rows=sum(1 for row in csv.reader(io.StringIO(lines.text)) if row) - 1,
        lost=found.count(False),
    )


async def _readable(service: Service, hub: Hub, id_: str, limit: asyncio.Semaphore) -> bool:
    async with limit:
        try:
            await service.ask("GET", f"/v1/checks/{id_}", hub.supervisor)
        except Refused as error:
            if error.status != 404:
                raise
            return False
        return True


def _counts(report: Json) -> Counts:
    given = mapping(report.get("dispositions"))
    final = {code: member(count, "final", int) for code, count in sorted(given.items())}
    return Counts(
        travellers=member(report, "travellers", int),
        checks=member(report, "checks", int),
        cleared=member(report, "cleared", int),
        referred=member(report, "referred", int),
        cases=member(report, "cases", int),
        deferred=member(report, "deferred", int),
        no_show=member(report, "no_show", int),
        complete_222=member(report, "complete_222", int),
        dispositions={code: count for code, count in final.items() if count},
    )
