"""Every answer that is not a success is a problem document, whatever happened."""

import json
import logging
from collections.abc import AsyncGenerator, Callable

import pytest
from httpx2 import AsyncHTTPTransport, RemoteProtocolError, Response
from hubs import Hub, Service
from starlette.responses import StreamingResponse

from twinstile.app import create_app
from twinstile.cli import serving
from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.http.problems import Problem, problem_for_status
from twinstile.platform.http.routes import Runtime

NUMBER = "110101199003070134"


def problem(answer: Response) -> dict[str, object]:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["trace_id"] == answer.headers["trace-id"]
    return body


async def test_an_unknown_address_is_a_problem_too(service: Service) -> None:
    answer = await service.client().get(f"/v1/{NUMBER}")
    assert problem(answer)["type"] == "/problems/not-found"
    assert NUMBER not in answer.text


async def test_a_method_that_is_not_taken_names_those_that_are(service: Service) -> None:
    answer = await service.client().request("PATCH", "/v1/lanes")
    assert problem(answer)["type"] == "/problems/method-not-allowed"
    assert answer.headers["allow"] == "GET"
    answer = await service.client().request("DELETE", "/v1/devices:enrol")
    assert answer.headers["allow"] == "POST"


async def test_every_answer_is_kept_out_of_caches_and_names_no_server(hub: Hub) -> None:
    for answer in (
        await hub.client().get("/v1/lanes"),
        await hub.client().get("/v1/nothing"),
        await hub.service.client().get("/openapi.json"),
    ):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers


async def fail() -> None:
    raise ValueError(f"nobody has the number {NUMBER}")


async def fail_midway() -> StreamingResponse:
    async def pieces() -> AsyncGenerator[bytes]:
        yield b"begun"
        raise ValueError(f"nobody has the number {NUMBER}")

    return StreamingResponse(pieces())


@pytest.fixture
async def failing(runtime: Runtime, place: DatabaseTarget) -> AsyncGenerator[Service]:
    """A service with two routes that have a fault of ours."""
    app = create_app(startup.open_runtime(runtime.settings, place))
    app.add_api_route("/fail", fail)
    app.add_api_route("/fail-midway", fail_midway)
    listening = serving.listen("127.0.0.1", 0)
    (base_url,) = serving.addresses(listening)
    async with serving.running(app, listening), AsyncHTTPTransport() as transport:
        yield Service(base_url, transport)


async def test_a_fault_of_ours_is_told_without_what_it_was_about(
    failing: Service, logged: Callable[[], str]
) -> None:
    answer = await failing.client().get("/fail")
    told = problem(answer)
    assert (answer.status_code, told["type"]) == (500, "/problems/internal")
    assert told["stored"] is None
    assert NUMBER not in answer.text
    lines = [json.loads(line) for line in logged().splitlines()]
    (line,) = [line for line in lines if line["event"] == "unexpected"]
    assert line["trace_id"] == told["trace_id"]
    assert line["error"].startswith("ValueError in fail")
    assert NUMBER not in logged()
    assert "Traceback" not in logged()


async def test_a_fault_in_the_middle_of_an_answer_cuts_it_short(
    failing: Service, logged: Callable[[], str]
) -> None:
    with pytest.raises(RemoteProtocolError):
        await failing.client().get("/fail-midway")
    assert "ValueError in pieces" in logged()
    assert NUMBER not in logged()


@pytest.mark.parametrize("status", range(400, 600))
def test_every_status_of_the_framework_has_its_problem(status: int) -> None:
    found = problem_for_status(status)
    assert isinstance(found, Problem)
    assert (found.status >= 500) == (status >= 500)


def test_lines_of_other_libraries_do_not_say_what_they_were_about(
    logged: Callable[[], str],
) -> None:
    logging.getLogger("asyncio").error("lost: ValueError(%r)" % NUMBER)  # noqa: UP031, G002
    logging.getLogger("uvicorn.error").warning("bad request from %s", NUMBER)
    logging.getLogger("uvicorn.error").error("Traceback:\nValueError: %s" % NUMBER)  # noqa: UP031, G002
    try:
        raise KeyError(NUMBER)  # noqa: TRY301
    except KeyError:
        logging.getLogger("pgqueuer").exception("a job failed")
    assert NUMBER not in logged()
    events = [json.loads(line)["event"] for line in logged().splitlines()]
    assert events[1:] == ["bad request from %s", "Traceback:", "a job failed"]
    assert json.loads(logged().splitlines()[-1])["error"].startswith("KeyError in ")
