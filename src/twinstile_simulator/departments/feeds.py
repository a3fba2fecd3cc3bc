"""All of them together: how they are reached, and what they say of a day's people, and when.

First the railway tells whom to expect, the police and health whom they know. Later the police
are away for a while, and what they have to say comes late; so does a list of areas.
"""

import json
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from twinstile_simulator import documents
from twinstile_simulator.credentials import provider
from twinstile_simulator.credentials.presentations import CredentialHolder
from twinstile_simulator.credentials.provider import CredentialIssuers
from twinstile_simulator.departments import health, police
from twinstile_simulator.departments.health import HealthDepartment
from twinstile_simulator.departments.http_server import SignatureVerifier
from twinstile_simulator.departments.police import PoliceDepartment
from twinstile_simulator.departments.railway import RailwayOperator, TrainJourney
from twinstile_simulator.documents import InventedDocument
from twinstile_simulator.scenarios.scripts import (
    DepartmentReport,
    GroupArrival,
    list_travellers,
)

LISTS, POLICE, HEALTH = "rail-lists", "police", "health"
"""The feeds, by name."""
_NOBODY = documents.resident_id(9998, documents.GROWN_UP, 1)
_FILE = Path(__file__).with_name("feeds.toml")


@dataclass(frozen=True, slots=True)
class FeedCounters:
    """What a feed must come to, in the words of the service."""

    deliveries: int
    duplicates: int
    refused: int
    rejected: int


@dataclass(slots=True)
class Departments:
    feeds_file: Path
    issuers: CredentialIssuers
    railway: RailwayOperator
    police: PoliceDepartment
    health: HealthDepartment

    @property
    def settings(self) -> dict[str, str]:
        """How the service is told of them all, as its environment has it."""
        return {
            "TWINSTILE_FEEDS_FILE": str(self.feeds_file),
            "TWINSTILE_PROVIDERS_FILE": str(self.issuers.providers_file),
        }

    def issue_credentials(self, arrivals: Sequence[GroupArrival]) -> dict[str, str]:
        """Issue the credentials that are presented; their texts by the travellers' keys."""
        texts: dict[str, str] = {}
        for one in list_travellers(arrivals):
            shown, holder = one.presentation, one.member
            if shown and one.document:
                family, comma, given = holder.name.partition(", ")
                family, given = (family, given) if comma else (family[:1], family[1:])
                number, born = one.document.number, holder.born.isoformat()
                subject = CredentialHolder(family, given, born, number)
                texts[one.key] = self.issuers.issue(shown.source, shown.how, subject)
        return texts

    def send_lists(self, journeys: Sequence[TrainJourney], station: str) -> None:
        """Let the railway send its lists."""
        self.railway.send(journeys, station)

    def publish_first_reports(self, arrivals: Sequence[GroupArrival]) -> None:
        """Let the police and health tell whom they know."""
        of = {report: _documents(arrivals, report) for report in DepartmentReport}
        lifted = [
            police.write_alert(f"lifted-{n}", who)
            for n, who in enumerate(of[DepartmentReport.POLICE_LIFTED])
        ]
        alerts = [
            *(
                police.write_alert(f"look-{n}", who)
                for n, who in enumerate(of[DepartmentReport.POLICE_CHECK])
            ),
            *(
                police.write_alert(f"stop-{n}", who, stop=True)
                for n, who in enumerate(of[DepartmentReport.POLICE_STOP])
            ),
            *lifted,
        ]
        unfit = police.write_invalid_alerts(_NOBODY)
        for _ in range(2):
            self.police.publish([*alerts, *unfit])
        self.police.rejected += len(unfit)
        lost = [*of[DepartmentReport.DOCUMENT_LOST], *of[DepartmentReport.DOCUMENT_FOUND]]
        self.police.publish(
            [police.write_document_check(who.number, who, "挂失") for who in lost]
        )
        found = [
            police.write_document_check(who.number, who, "一致")
            for who in of[DepartmentReport.DOCUMENT_FOUND]
        ]
        self.police.publish([*map(police.write_lifting, lifted), *found])
        self._colours(of[DepartmentReport.HEALTH_RED], of[DepartmentReport.HEALTH_GREEN])
        contacts = [
            health.write_contact(who, "次密接") for who in of[DepartmentReport.CLOSE_CONTACT]
        ]
        self.health.send("密接人员", contacts)

    def _colours(
        self, red: Sequence[InventedDocument], green: Sequence[InventedDocument]
    ) -> None:
        """Leave one table twice, one that nobody can read a row of, and one in half."""
        rows = [
            *(health.write_status(who, "红码") for who in red),
            *(health.write_status(who, "绿码") for who in green),
        ]
        masked = {**rows[0], "证件号码": "7799********0019"}
        self.health.rejected += 1
        for name in ("码状态", "码状态-补传"):
            self.health.send(name, [*rows, masked])
        self.health.send("码状态-断", rows, complete=False)

    def publish_late_reports(self, arrivals: Sequence[GroupArrival]) -> None:
        """Tell what was not told before."""
        of = _documents(arrivals, DepartmentReport.POLICE_LATE)
        self.police.publish([police.write_alert(f"late-{n}", who) for n, who in enumerate(of)])
        self.health.send("重点地区", [health.write_area(documents.LISTED_AREA, "高风险")])

    @property
    def sent(self) -> dict[str, FeedCounters]:
        """What each feed must come to."""
        lists, tables, pages = self.railway.drop, self.health.drop, self.police
        fresh = len(pages.pages) - pages.again
        return {
            LISTS: FeedCounters(
                lists.files, lists.duplicates, lists.broken, self.railway.rejected
            ),
            POLICE: FeedCounters(fresh, pages.again, 0, pages.rejected),
            HEALTH: FeedCounters(
                tables.files, tables.duplicates, tables.broken, self.health.rejected
            ),
        }


def _documents(
    arrivals: Sequence[GroupArrival], report: DepartmentReport
) -> list[InventedDocument]:
    reported = [arrival for arrival in arrivals if arrival.group.report is report]
    return [one.document for one in list_travellers(reported) if one.document]


@asynccontextmanager
async def open_departments(folder: Path) -> AsyncGenerator[Departments]:
    """Have the departments and the issuers of credentials for as long as the block."""
    async with (
        provider.open_issuers(folder) as issuers,
        _departments(folder, issuers) as here,
    ):
        yield here


@asynccontextmanager
async def _departments(folder: Path, issuers: CredentialIssuers) -> AsyncGenerator[Departments]:
    shelves = {name: folder / name for name in (LISTS, HEALTH)}
    for shelf in shelves.values():
        shelf.mkdir(parents=True)
    key = folder / "police.key"
    key.touch(mode=0o600)
    key.write_text(secrets.token_hex(16))
    here = Departments(
        folder / "feeds.toml",
        issuers,
        RailwayOperator.at(shelves[LISTS]),
        PoliceDepartment(SignatureVerifier(police.KEY_ID, key.read_bytes())),
        HealthDepartment.at(shelves[HEALTH]),
    )
    await here.police.server.start()
    here.feeds_file.write_text(_configured(here, key))
    try:
        yield here
    finally:
        await here.police.server.stop()


def _configured(here: Departments, key: Path) -> str:
    """How the service is told of the feeds; text in JSON's quotes is TOML's too."""
    return _FILE.read_text().format(
        lists=LISTS,
        lists_path=json.dumps(str(here.railway.drop.folder)),
        police=POLICE,
        police_url=here.police.server.url + police.PATH,
        key_id=police.KEY_ID,
        key_path=json.dumps(str(key)),
        cursor=police.CURSOR,
        next=police.NEXT,
        health=HEALTH,
        health_path=json.dumps(str(here.health.drop.folder)),
    )
