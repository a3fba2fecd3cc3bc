"""Bad questions to every list: refused with the parameter named, whatever stands in it."""

import base64
from urllib.parse import quote

import pytest
from hostile import CANARY
from hubs import Hub, Service, open_hub
from refusals import refused, unsaid

from twinstile.platform.http.routes import Runtime
from twinstile.platform.security.roles import Role

pytestmark = pytest.mark.usefixtures("discreet_log")
SPAN = "from=2026-11-24T00:00:00Z&to=2026-11-25T00:00:00Z"
SCREENINGS = f"/v1/screenings?{SPAN}"
CASES = "/v1/cases?"
ACCESS = f"/v1/access?{SPAN}"
PERIODS = (
    "/v1/screenings",
    "/v1/runs",
    "/v1/reports/period",
    "/v1/reports/reminders",
    "/v1/exports/cases.csv",
    "/v1/access",
)
WHO = {
    "/v1/access": Role.SUPERVISOR,
    "/v1/quarantine": Role.SUPERVISOR,
    "/v1/screenings": Role.SUPERVISOR,
    "/v1/runs": Role.SUPERVISOR,
    "/v1/reports/period": Role.EPIDEMIOLOGIST,
    "/v1/reports/reminders": Role.EPIDEMIOLOGIST,
    "/v1/exports/cases.csv": Role.EPIDEMIOLOGIST,
    "/v1/cases": Role.MEDIC,
    "/v1/policies/cn-hub-2/replays": Role.EPIDEMIOLOGIST,
    "/v1/policies": Role.MEDIC,
}
AN_ID = "0193a6e0-0000-7000-8000-000000000000"


def packed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


LIMITS = ("-1", "0", "501", str(10**20), "9" * 4000, "1.5", "NaN", "%D9%A1", "", "1e2", CANARY)
CURSORS = (
    CANARY,
    "%F0%9F%92%A9",
    "====",
    "%00",
    "x" * 150,
    packed(CANARY),
    packed("[]"),
    packed("[1, 2]"),
    packed(f'["{CANARY}", "{AN_ID}"]'),
    packed(f'["2026-11-24T00:00:00", "{AN_ID}"]'),
    packed(f"2026-11-24T00:00:00 {AN_ID}"),
    packed(f"0001-01-01T00:00:00+14:00 {AN_ID}"),
    packed(f"9999-12-31T23:59:59-14:00 {AN_ID}"),
    packed("2026-11-24T00:00:00+00:00 5"),
    packed("[" * 70),
    packed("9" * 70),
)
MOMENTS = (
    "",
    CANARY,
    "0.5",
    "0",
    "1795510530",
    "2026-11-24",
    "2026-11-24T00:00:00",
    "2026-11-24T00:00:00+08:00",  # whose plus sign is a blank in a query
    "2026-11-24T23:59:60Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "%ff",
    "%ed%a0%80",
)


def both(spans: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(path, span) for path in PERIODS for span in spans]


QUESTIONS: list[tuple[str, str]] = [
    *((f"{SCREENINGS}&limit={limit}", "/limit") for limit in LIMITS),
    *((f"{CASES}limit={limit}", "/limit") for limit in (*LIMITS, "201")),
    *((f"{SCREENINGS}&cursor={cursor}", "/cursor") for cursor in CURSORS if cursor != "%00"),
    *((f"{CASES}cursor={cursor}", "/cursor") for cursor in CURSORS if cursor != "%00"),
    *((f"{path}?from={moment}", "/from") for path, moment in both(MOMENTS)),
    *(
        (f"{path}?from=2026-11-24T00:00:00Z&to={moment}", "/to")
        for path, moment in both((*MOMENTS, "2026-11-24T00:00:00Z", "2026-11-23T00:00:00Z"))
    ),
    *((f"{path}?from=2026-11-24T00:00:00Z&to=2099-11-24T00:00:00Z", "/to") for path in PERIODS),
    *((path, "/from") for path in PERIODS),
    (f"{SCREENINGS}&state={CANARY}", "/state"),
    (f"{SCREENINGS}&state=cleared", "/state"),
    (f"{CASES}state={CANARY}", "/state"),
    *((f"{ACCESS}&limit={limit}", "/limit") for limit in LIMITS),
    *((f"{ACCESS}&cursor={cursor}", "/cursor") for cursor in CURSORS if cursor != "%00"),
    *((f"/v1/quarantine?limit={limit}", "/limit") for limit in LIMITS),
    *((f"/v1/quarantine?cursor={cursor}", "/cursor") for cursor in CURSORS if cursor != "%00"),
    (f"/v1/quarantine?resolved={CANARY}", "/resolved"),
    (f"{ACCESS}&action={CANARY}", "/action"),
    (f"{ACCESS}&outcome={CANARY}", "/outcome"),
    (f"{ACCESS}&operator_id={CANARY}", "/operator_id"),
    (f"{ACCESS}&subject_id={CANARY}", "/subject_id"),
    (f"/v1/cases/{CANARY}", "/case_id"),
    (f"/v1/screenings/{CANARY}", "/screening_id"),
    (f"/v1/policies/{'x' * 100}", "/version"),
    (f"/v1/policies/cn-hub-2/replays/{CANARY}", "/replay_id"),
]


@pytest.fixture(scope="module")
async def quiet(runtime: Runtime, service: Service) -> Hub:
    return await open_hub(runtime, service)


def who(path: str) -> Role:
    return next(role for prefix, role in WHO.items() if path.startswith(prefix))


@pytest.mark.parametrize(("question", "pointer"), QUESTIONS, ids=[q[:80] for q, _ in QUESTIONS])
async def test_a_question_nobody_can_mean_names_its_parameter(
    quiet: Hub, question: str, pointer: str
) -> None:
    answer = await quiet.client(who(question)).get(question)
    faults = refused(answer, 422, "invalid-input")
    assert pointer in {fault["pointer"] for fault in faults}


@pytest.mark.parametrize("path", [f"{path}?{SPAN}" for path in PERIODS] + ["/v1/cases?limit=5"])
@pytest.mark.parametrize("repeated", ["limit=5&limit=5", f"x={CANARY}&x=", "=1&=2"])
async def test_a_parameter_given_twice_is_refused(quiet: Hub, path: str, repeated: str) -> None:
    answer = await quiet.client(who(path)).get(f"{path}&{repeated}")
    assert refused(answer, 400, "duplicate-parameter") == []


@pytest.mark.parametrize("path", [f"{path}?{SPAN}" for path in PERIODS] + ["/v1/cases?limit=5"])
@pytest.mark.parametrize(
    "part", ["limits=1", "Limit=1", "=", "'--", f"{CANARY}=1", "hub_id=elsewhere", "a[]=1"]
)
async def test_a_parameter_nobody_knows_is_refused(quiet: Hub, path: str, part: str) -> None:
    answer = await quiet.client(who(path)).get(f"{path}&{part}")
    wanted = {"pointer": "", "code": "unknown-parameter"}
    assert wanted in refused(answer, 422, "invalid-input")


@pytest.mark.parametrize("path", [f"{path}?{SPAN}" for path in PERIODS] + ["/v1/cases?limit=5"])
@pytest.mark.parametrize("part", [f"cursor={CANARY}%00", "%00=1", "state=%00"])
async def test_text_no_database_can_hold_is_refused(quiet: Hub, path: str, part: str) -> None:
    answer = await quiet.client(who(path)).get(f"{path}&{part}")
    assert {"pointer": "", "code": "invalid-text"} in refused(answer, 422, "invalid-input")


@pytest.mark.parametrize("header", ["Accept-Language", "If-None-Match"])
async def test_a_header_too_long_to_mean_anything_is_refused(quiet: Hub, header: str) -> None:
    client, long = quiet.client(), {header: CANARY * 20}
    if header == "If-None-Match":
        answer = await client.get("/v1/lanes/north-1/state", headers=long)
    else:
        answer = await client.put(f"/v1/checks/{AN_ID}", json={}, headers=long)
    faults = refused(answer, 422, "invalid-input")
    assert {"pointer": f"/{header}", "code": "too-long"} in faults


@pytest.mark.parametrize(
    "token",
    [
        "tss",
        "tss..",
        f"tss.{CANARY}.{CANARY}",
        f"tsx.hub.{CANARY}",
        "tss.hub.' OR 1=1 --",
        f"{CANARY * 30}",
        quote("令牌"),
    ],
)
async def test_a_token_that_is_none_is_not_told_why(quiet: Hub, token: str) -> None:
    answer = await quiet.service.client(token).get("/v1/me")
    assert refused(answer, 401, "unauthenticated") == []
    unsaid(answer.text)
