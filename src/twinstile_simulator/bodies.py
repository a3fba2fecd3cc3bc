"""The bodies of the requests, and the answer to a check: the contract in one place."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import cast

from twinstile_simulator.client import Json, mapping, member
from twinstile_simulator.documents import InventedDocument
from twinstile_simulator.people import CrowdPerson
from twinstile_simulator.protocol import CheckPlace, PlannedCheck
from twinstile_simulator.scenarios.scripts import ScriptedTraveller
from twinstile_simulator.timetable import TimetableTrain


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What the service made of a check; `status` is the fact's, such as `stored`, `retry`."""

    id: str
    status: str
    screening_id: str | None
    state: str | None
    case_id: str | None
    credential: Json | None = None
    """What was made of the code that came with it."""

    @property
    def acknowledged(self) -> bool:
        return self.status in {"stored", "duplicate", "conflict_kept"}

    @property
    def settled(self) -> bool:
        """Sending it again would change nothing."""
        return self.acknowledged or self.status == "quarantined"


@dataclass(frozen=True, slots=True)
class StoredCheck:
    """A check that waits on a tablet, with the device's counter."""

    counter: int
    body: Json


def answer(reply: object) -> CheckResult:
    """Read a `CheckOut`, or an item of a batch's answer, which may hold one."""
    outer = mapping(reply)
    inner = mapping(outer.get("check") or outer)
    members = [inner.get(name) for name in ("screening_id", "state", "case_id")]
    one, two, three = [value if isinstance(value, str) else None for value in members]
    shown = inner.get("credential")
    credential = mapping(shown) if shown else None
    id_, status = member(outer, "id", str), member(outer, "status", str)
    return CheckResult(id_, status, one, two, three, credential)


def now() -> str:
    """Read the clock as the contract writes moments: RFC 3339, UTC."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def check(
    person: CrowdPerson, step: PlannedCheck, run_id: str, screening_id: str | None
) -> Json:
    """Describe what the tablet saw; the tablet adds when, where and the counter."""
    first = screening_id is None
    declared = person.credential == "NOT_PRESENTED" and step.place is not CheckPlace.LANE
    body: dict[str, object] = {
        "run_id": run_id,
        "reminders": ["R2"] if first else [],
        "services": _services(person) if first else [],
        "assistance": declared,
        "illness": False,
    }
    if screening_id:
        body["screening_id"] = screening_id
    if step.tenths is not None:
        value = step.tenths / 10
        body["temperature"] = {"value": value, "unit": "C", "method": step.method}
    if step.credential:
        kind = "DECLARATION" if declared else "HEALTH_CODE"
        body["credential"] = {"status": step.credential, "kind": kind}
    if step.identity:
        body["identity"] = identity(person.document, person.birth, step.identity, person.name)
    return body


def identity(
    papers: InventedDocument | None, birth: date, result: str, name: str = "Guest"
) -> Json:
    """Describe what a reader takes from the document: a zone says all that a number does."""
    shown = {"document": _shown(papers, birth, name)} if papers else {}
    return {
        **shown,
        "result": result,
        "method": "MRZ" if papers and papers.mrz else "READER",
    }


def batch(checks: Mapping[str, StoredCheck]) -> Json:
    """Wrap checks, by id, for one hand-over."""
    items = [
        {"kind": "check", "id": id_, "counter": stored.counter, "body": stored.body}
        for id_, stored in checks.items()
    ]
    return {"sent_at": now(), "items": items}


def gaps(reply: Json) -> list[range]:
    """Read which counters of this device the service has not got."""
    pairs = cast("list[tuple[int, int]]", member(reply, "missing", list))
    return [range(first, last + 1) for first, last in pairs]


def answers(reply: Json) -> list[CheckResult]:
    """Read the answer to each item of a hand-over."""
    return [answer(item) for item in cast("list[object]", member(reply, "items", list))]


def _shown(papers: InventedDocument, birth: date, name: str) -> Json:
    holder = {"name": name, "birth_date": birth.isoformat()}
    if papers.mrz:
        return {"kind": papers.kind, "mrz": list(papers.mrz), **holder}
    return {**describe_document(papers), **holder}


def describe_document(papers: InventedDocument) -> Json:
    """Describe a document by kind and number."""
    issuer = {"issuer": papers.issuer} if papers.issuer else {}
    return {"kind": papers.kind, "number": papers.number, **issuer}


def run(train: TimetableTrain, estimated: datetime) -> Json:
    """Describe a run: the timetable's arrival, and the one of the simulation (see `day`)."""
    body: dict[str, object] = {
        "mode": "RAIL",
        "service_no": train.service_no,
        "service_date": train.scheduled_arrival.date().isoformat(),
        "origin": train.origin,
        "terminus": train.terminus,
        "scheduled_arrival": train.scheduled_arrival.isoformat(),
        "estimated_arrival": estimated.isoformat(),
    }
    return body | ({"platform": train.platform} if train.platform else {})


def manifest(people: Iterable[CrowdPerson], station: str) -> Json:
    return {
        "batch": 1,
        "entries": [
            {
                "entry_id": person.key,
                "document": describe_document(person.document),
                "coach": str(person.coach),
                "seat": str(person.seat),
                "alight_stop": station,
            }
            for person in people
        ],
    }


def special_manifest(travellers: Iterable[ScriptedTraveller], station: str) -> Json:
    """Describe a manifest of special travellers; their seats are nobody's business."""
    return {
        "batch": 1,
        "entries": [
            {
                "entry_id": one.key,
                "document": describe_document(one.document),
                "alight_stop": station,
            }
            for one in travellers
            if one.document
        ],
    }


def reminder(run_id: str) -> Json:
    """Describe the announcement on board, before arrival."""
    broadcast = {"channel": "onboard-broadcast", "language": "zh-CN", "given_at": now()}
    return {"kind": "R1", "run_id": run_id, **broadcast}


def disposition(code: str) -> Json:
    """Decide where a case goes; the receiver is as invented as the patient."""
    decided = {"decided_at": now(), "reason": "synthetic station day", "consent": True}
    told = _particulars().get(code, {})
    return {"code": code, "receiver": "demo receiver", "particulars": told, **decided}


def _particulars() -> Mapping[str, Json]:
    """What each code needs beside its receiver."""
    moment = datetime.now(UTC)
    plan = {"anchor": "ARRIVAL", "anchor_date": moment.date().isoformat()}
    area = {"area": "330106"}
    train = {"service_no": "G9", "departs_at": (moment + timedelta(hours=2)).isoformat()}
    return {
        "DESIGNATED_HOSPITAL": {"travel": "AMBULANCE"},
        "FEVER_CLINIC": {"travel": "ALONE"},
        "CENTRAL_ISOLATION": {"travel": "VEHICLE", **plan},
        "HOME_ISOLATION": {"home_possible": True, **area, **plan},
        "PERSUADED_RETURN": {**area, **train},
        "HEALTH_MONITORING": {**area, **plan},
    }


def _services(person: CrowdPerson) -> list[Json]:
    kinds = zip(("S1", "S2"), person.services, strict=True)
    return [{"kind": kind, "outcome": outcome} for kind, outcome in kinds]
