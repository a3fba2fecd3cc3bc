"""What looks wrong and is taken, because a person stands at the gate; and what is nobody's."""

from uuid import UUID, uuid4

import fever_cases
import people
import pytest
import step_bodies
from httpx2 import Response
from hubs import DEVICE, Hub, open_hub
from refusals import footprint, refused

from twinstile.identity.documents import check_character
from twinstile.platform.security.roles import Role

SPECIMEN = [
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
]
MISREAD = [SPECIMEN[0], SPECIMEN[1].replace("740812", "740813")]


def resident(digits: str) -> people.Json:
    return people.document(digits + check_character(digits))


async def put(hub: Hub, check_id: UUID | None = None, **parts: object) -> Response:
    path = f"/v1/checks/{check_id or people.new_id()}"
    return await hub.client().put(path, json=people.check() | parts)


@pytest.mark.parametrize(
    ("document", "finding"),
    [
        ({"kind": "PASSPORT", "mrz": SPECIMEN}, "EXPIRED"),
        ({"kind": "PASSPORT", "mrz": MISREAD}, "INVALID_CHECK"),
        (resident("77010119900230515"), "IMPLAUSIBLE_DATE"),
        (resident("77010120990101515"), "IMPLAUSIBLE_DATE"),
        (people.document("770101199001015151"), "INVALID_CHECK"),
        (people.document("not a number"), "MALFORMED"),
        (people.document("'); DROP TABLE vault; --"), "MALFORMED"),
        ({"kind": "PASSPORT", "number": "E1", "birth_date": "2999-01-01"}, "IMPLAUSIBLE_DATE"),
        ({"kind": "PASSPORT", "number": "E1", "birth_date": "0001-01-01"}, "IMPLAUSIBLE_DATE"),
        ({"kind": "OTHER", "number": "护照", "issuer": "某国"}, "UNCHECKED"),
    ],
)
async def test_a_strange_document_is_a_finding_not_an_error(
    hub: Hub, document: people.Json, finding: str
) -> None:
    told = await put(hub, identity={"document": document, "result": "MATCH"})
    assert told.status_code == 201, told.text
    stored = (await hub.client().get(f"/v1/checks/{told.json()['id']}")).json()
    assert finding in stored["evidence"]["identity"]["findings"]


@pytest.mark.parametrize(
    "moment",
    [
        "2021-11-24T08:15:30+14:00",
        "2021-11-24T08:15:30-12:00",
        "2000-01-01T00:00:00Z",
        "2099-12-31T23:59:59.999999999Z",
    ],
)
async def test_a_clock_far_off_is_noted_and_the_check_is_kept(hub: Hub, moment: str) -> None:
    told = await put(hub, observed_at=moment, sent_at=moment)
    assert told.status_code == 201, told.text
    stored = (await hub.client().get(f"/v1/checks/{told.json()['id']}")).json()
    assert stored["clock_suspect"]


@pytest.mark.parametrize("moment", ["2026-06-30T23:59:60Z", "2026-07-01T07:59:60.25+08:00"])
async def test_a_leap_second_is_the_last_moment_of_its_day(hub: Hub, moment: str) -> None:
    told = await put(hub, observed_at=moment)
    assert told.status_code == 201, told.text
    stored = (await hub.client().get(f"/v1/checks/{told.json()['id']}")).json()
    assert stored["observed_at"].startswith("2026-06-30T23:59:59.999999")


@pytest.mark.parametrize("check_id", [UUID(int=0), UUID(int=2**128 - 1), UUID(int=4 << 76)])
async def test_an_id_is_only_asked_to_be_its_own(hub: Hub, check_id: UUID) -> None:
    first = await put(hub, check_id)
    assert first.status_code == 201, first.text
    assert (await hub.client().get(f"/v1/checks/{check_id}")).json()["id"] == str(check_id)


TEXTS = (
    "'); DROP TABLE vault; --",
    '=HYPERLINK("http://localhost")',
    "@SUM(A1:A9)",
    "\uff1d1+1",
    "<script>alert(1)</script>",
    "{{7*7}} ${7*7} %s %(x)s",
    "a\u202eb\u200bc",
    "é\u0301 İı ﬀ 👩🏽\u200d⚕️",
)


@pytest.mark.parametrize("text", TEXTS)
async def test_text_is_kept_as_it_came(hub: Hub, text: str) -> None:
    case_id = await fever_cases.case_of(
        hub, identity={"document": people.document(name=text), "result": "MATCH"}
    )
    assert (await fever_cases.reveal(hub, case_id)).json()["name"] == text
    await fever_cases.dispose(hub, case_id, receiver=text)
    assert (await fever_cases.read(hub, case_id))["dispositions"][0]["receiver"] == text


async def test_a_full_backlog_is_taken_and_a_gap_in_it_is_told(hub: Hub) -> None:
    items = [
        {"kind": "check", "id": str(people.new_id()), "counter": n + 10, "body": people.fact()}
        for n in range(1, 501)
    ]
    sent = {"sent_at": people.now(), "items": items}
    told = (await hub.client(DEVICE).post("/v1/facts:batch", json=sent)).json()
    assert {item["status"] for item in told["items"]} == {"stored"}
    assert (told["ack_through"], told["missing"]) == (0, [[1, 10]])


async def test_a_revoked_tablet_is_turned_away_and_leaves_nothing(hub: Hub) -> None:
    device = hub.duties[Role.SCREENER].device_id
    tablet = hub.client(DEVICE)
    assert (await tablet.get("/v1/me")).status_code == 200
    await hub.client(Role.ADMINISTRATOR).delete(f"/v1/devices/{device}")
    before = await footprint(hub)
    item = {"kind": "check", "id": str(people.new_id()), "counter": 1, "body": people.fact()}
    answers = [
        await tablet.post("/v1/facts:batch", json={"sent_at": people.now(), "items": [item]}),
        await put(hub),
    ]
    for answer, told in zip(answers, ("device-revoked", "unauthenticated"), strict=True):
        assert refused(answer, 401, told) == []
    assert await footprint(hub) == before


STEP = step_bodies.body("refuse", reason="x")
SENT = {
    "code": "FEVER_CLINIC",
    "receiver": "x",
    "decided_at": people.now(),
    "particulars": {"travel": "ALONE"},
}
HERE = {"checkpoint": "north", "kind": "AUTO"}
RUN = {
    "mode": "RAIL",
    "service_no": "G1",
    "service_date": "2026-11-24",
    "origin": "A",
    "terminus": "B",
    "scheduled_arrival": people.now(),
}


@pytest.mark.parametrize(
    ("who", "method", "path", "body"),
    [
        (Role.SUPERVISOR, "GET", "/v1/checks/{check}", None),
        (Role.SUPERVISOR, "GET", "/v1/screenings/{screening}", None),
        (Role.SUPERVISOR, "GET", "/v1/cases/{case}", None),
        (Role.SUPERVISOR, "GET", "/v1/lanes/{lane}/state", None),
        (Role.SUPERVISOR, "GET", "/v1/devices/{device}/sync-status", None),
        (Role.MEDIC, "GET", "/v1/cases/{case}/person", None),
        (Role.MEDIC, "POST", "/v1/cases/{case}/person:reveal", {"purpose": "HANDOVER"}),
        (Role.MEDIC, "PUT", "/v1/screenings/{screening}/steps/{new}", STEP),
        (Role.MEDIC, "PUT", "/v1/cases/{case}/dispositions/{new}", SENT),
        (Role.SUPERVISOR, "PUT", "/v1/runs/{run}/manifest", {"batch": 1, "entries": []}),
        (Role.SUPERVISOR, "POST", "/v1/runs/{run}:close", None),
        (Role.SUPERVISOR, "DELETE", "/v1/devices/{device}", None),
        (Role.ADMINISTRATOR, "DELETE", "/v1/operators/{operator}", None),
        (Role.ADMINISTRATOR, "POST", "/v1/enrolments", {"lane_id": "theirs"}),
    ],
)
async def test_what_belongs_to_another_hub_is_not_there(
    hub: Hub, who: Role, method: str, path: str, body: people.Json | None
) -> None:
    other = await open_hub(hub.runtime, hub.service)
    theirs, screener = await fever_cases.confirmed(other), other.duties[Role.SCREENER]
    there = {
        "check": theirs["id"],
        "screening": theirs["screening_id"],
        "case": theirs["case_id"],
        "run": uuid4(),
        "device": screener.device_id,
        "operator": screener.operator_id,
        "lane": "theirs",
        "new": uuid4(),
    }
    await other.client(Role.SUPERVISOR).put(f"/v1/runs/{there['run']}", json=RUN)
    await other.client(Role.ADMINISTRATOR).put("/v1/lanes/theirs", json=HERE)
    before = await footprint(other), await footprint(hub)
    alike: list[people.Json] = []
    for ids in (there, {name: uuid4() for name in there} | {"lane": "nobodys"}):
        answer = await hub.client(who).request(method, path.format_map(ids), json=body)
        assert refused(answer, 404, "not-found") == []
        alike.append({k: v for k, v in answer.json().items() if k != "trace_id"})
    assert alike[0] == alike[1]
    assert (await footprint(other), await footprint(hub)) == before


async def test_nobody_but_a_clinician_takes_back_a_suspicion(hub: Hub) -> None:
    case_id = await fever_cases.case_of(hub)
    await fever_cases.dispose(hub, case_id, "DESIGNATED_HOSPITAL")
    refusal = await fever_cases.dispose(
        hub, case_id, "RELEASED", who=Role.SUPERVISOR, receiver=None
    )
    assert refused(refusal, 403, "forbidden") == []
    sent = (await fever_cases.read(hub, case_id))["dispositions"]
    assert [each["code"] for each in sent] == ["DESIGNATED_HOSPITAL"]
