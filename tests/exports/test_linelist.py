"""The line list of cases, through HTTP."""

import asyncio
import csv
import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import asyncpg
import database_sessions
import line_lists
import people
import pytest
from access_log_reader import reads
from hubs import Hub, open_hub
from line_lists import DAY, MORNING
from refusals import refused

from twinstile.exports import linelist, reader
from twinstile.exports.bodies import PeriodAnswer
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.security.roles import Role

ROOT = Path(__file__).parents[2]


async def test_a_row_tells_a_case_from_arrival_to_closure(hub: Hub) -> None:
    run_id = people.new_id()
    async with hub.runtime.database.transaction() as tx:
        await tx.raw.execute(
            "INSERT INTO run VALUES ($1, $2, 'RAIL', 'G7349', $3, 'Shanghai', 'Hangzhou', $4,"
            " NULL, NULL, NULL, $4, NULL)",
            hub.hub_id,
            run_id,
            date(2026, 3, 2),
            MORNING,
        )
    screening_id = await line_lists.screen(
        hub, MORNING - timedelta(minutes=3), referred_at=MORNING - timedelta(minutes=2)
    )
    case_id = await line_lists.enter(
        hub,
        case_no="20260302-001",
        screening_id=screening_id,
        run_id=run_id,
        origin="CONFIRMED_ABNORMAL",
        state="CLOSED_EXCLUDED",
        sex="FEMALE",
        age_years=34,
        first_tenths=378,
        peak_tenths=390,
        closed_at=MORNING + timedelta(hours=5, microseconds=999_999),
    )
    await line_lists.send(hub, case_id, "HOME_ISOLATION", MORNING, "East Street community")
    await line_lists.send(hub, case_id, "FEVER_CLINIC", MORNING + DAY, 'Clinic "North", 杭州')
    (row,) = await line_lists.rows(hub)
    assert row == {
        "case_no": "20260302-001",
        "case_id": str(case_id),
        "opened_at": "2026-03-02T01:00:00Z",
        "case_origin": "CONFIRMED_ABNORMAL",
        "state": "CLOSED_EXCLUDED",
        "sex": "FEMALE",
        "age_band": "30-34",
        "run_service_no": "G7349",
        "run_origin": "Shanghai",
        "run_date": "2026-03-02",
        "first_c": "37.8",
        "peak_c": "39.0",
        "screening_opened_at": "2026-03-02T00:57:00Z",
        "referred_at": "2026-03-02T00:58:00Z",
        "final_disposition": "FEVER_CLINIC",
        "receiver": 'Clinic "North", 杭州',
        "dispositions": "2",
        "closed_at": "2026-03-02T06:00:00Z",
        "hub_mode": "DEMO",
    }


async def test_the_file_is_utf_8_csv_with_quoted_values_and_a_name(hub: Hub) -> None:
    await line_lists.enter(hub)
    answer = await line_lists.export(hub)
    header, row, rest = answer.content.split(b"\n")
    assert header.decode() == ",".join(linelist.COLUMNS)
    cells = row.decode().split(",")
    assert all(cell == "" or (cell[0] == cell[-1] == '"') for cell in cells)
    assert rest == b""
    assert answer.headers["Content-Type"].startswith("text/csv; charset=utf-8")
    assert answer.headers["Content-Disposition"] == (
        f'attachment; filename="DEMO-cases-{hub.hub_id}-20260302T0100-20260303T0100.csv"'
    )
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Content-Length" not in answer.headers


async def test_a_period_without_cases_is_a_header(hub: Hub) -> None:
    answer = await line_lists.export(hub)
    assert answer.text == ",".join(linelist.COLUMNS) + "\n"


async def test_a_period_begins_with_its_first_moment_and_ends_before_its_last(hub: Hub) -> None:
    end = MORNING + timedelta(hours=1)
    moment = timedelta(microseconds=1)
    inside = [await line_lists.enter(hub, at) for at in (MORNING, end - moment)]
    for outside in (MORNING - moment, end):
        await line_lists.enter(hub, outside)
    found = await line_lists.rows(hub, line_lists.period(MORNING, end))
    assert [row["case_id"] for row in found] == [str(case_id) for case_id in inside]


async def test_another_hubs_cases_are_not_in_it(hub: Hub) -> None:
    elsewhere = await open_hub(hub.runtime, hub.service)
    await line_lists.enter(elsewhere)
    assert await line_lists.rows(hub) == []


async def test_the_same_export_twice_is_the_same_file(hub: Hub) -> None:
    for _ in range(20):
        await line_lists.enter(hub)
    assert (await line_lists.export(hub)).content == (await line_lists.export(hub)).content


@pytest.mark.parametrize(
    ("age", "band"),
    [
        (None, ""),
        (0, "00-04"),
        (4, "00-04"),
        (5, "05-09"),
        (79, "75-79"),
        (84, "80-84"),
        (85, "85+"),
        (101, "85+"),
    ],
)
async def test_ages_are_given_in_bands(hub: Hub, age: int | None, band: str) -> None:
    await line_lists.enter(hub, age_years=age)
    (row,) = await line_lists.rows(hub)
    assert row["age_band"] == band


@pytest.mark.parametrize("sign", list("=+-@\t\r\n＝＋－＠"))  # noqa: RUF001
async def test_no_receiver_runs_as_a_formula(hub: Hub, sign: str) -> None:
    case_id = await line_lists.enter(hub)
    typed = f"{sign}HYPERLINK(0)\nsecond = line"
    await line_lists.send(hub, case_id, "FEVER_CLINIC", MORNING, typed)
    answer = await line_lists.export(hub)
    text = answer.content.decode()
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["receiver"] == f"'{typed}"


async def test_ordinary_text_is_left_as_it_is(hub: Hub) -> None:
    case_id = await line_lists.enter(hub)
    await line_lists.send(hub, case_id, "FEVER_CLINIC", MORNING, "a=b 'quoted' \\1 $1")
    (row,) = await line_lists.rows(hub)
    assert row["receiver"] == "a=b 'quoted' \\1 $1"


@pytest.mark.parametrize(
    "query",
    [
        line_lists.period(MORNING, MORNING),
        line_lists.period(MORNING, MORNING - DAY),
        line_lists.period(MORNING, MORNING + 366 * DAY + timedelta(seconds=1)),
        "from=2026-03-02T01:00:00Z",
        "from=2026-03-02T01:00:00&to=2026-03-03T01:00:00",
        "from=2026-03-02&to=2026-03-03",
    ],
)
@pytest.mark.parametrize("path", ["/v1/exports/cases.csv", "/v1/reports/period"])
async def test_what_is_no_period_of_a_year_is_refused(hub: Hub, path: str, query: str) -> None:
    answer = await hub.client(Role.EPIDEMIOLOGIST).get(f"{path}?{query}")
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_leap_year_can_be_asked_for(hub: Hub) -> None:
    new_year = datetime(2028, 1, 1, tzinfo=UTC)
    whole = line_lists.period(new_year, new_year.replace(year=2029))
    assert (await line_lists.export(hub, whole)).status_code == 200


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.EPIDEMIOLOGIST])
async def test_line_lists_are_for_epidemiologists(hub: Hub, role: Role) -> None:
    answer = await hub.client(role).get(f"{line_lists.CASES}&{line_lists.period()}")
    assert answer.status_code == 403


async def test_exports_cannot_see_identities_whatever_they_ask(hub: Hub) -> None:
    async with reader.reading(hub.runtime.database, 5) as tx:
        for table in ("vault", "vault_held", "operator", "event"):
            savepoint = tx.raw.transaction()
            await savepoint.start()
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await tx.raw.fetchrow(f"SELECT * FROM {table} LIMIT 1")
            await savepoint.rollback()


async def _much(hub: Hub) -> None:
    """More than the buffers between the database and a client can hold: 40 MB."""
    async with hub.runtime.database.transaction() as tx:
        await tx.raw.execute(
            """
            INSERT INTO fever_case (hub_id, case_id, case_no, screening_id, origin, state,
                                    opened_at, state_since)
            SELECT $1, gen_random_uuid(), 'n' || n, gen_random_uuid(), repeat('x', 40000),
                   'ASSESSING', $2, $2
            FROM generate_series(1, 1000) n
            """,
            hub.hub_id,
            MORNING,
        )


async def _exporting(place: DatabaseTarget) -> int:
    return await database_sessions.count(place, "query LIKE 'COPY (%' AND state = 'active'")


async def test_a_client_that_leaves_gives_its_connection_back(
    hub: Hub, place: DatabaseTarget
) -> None:
    await _much(hub)
    client = hub.service.client(hub.tokens[Role.EPIDEMIOLOGIST])
    async with client.stream("GET", f"{line_lists.CASES}&{line_lists.period()}") as answer:
        assert answer.status_code == 200
        pieces = answer.aiter_raw()
        await anext(pieces)
        assert await _exporting(place) == 1
    async with asyncio.timeout(5):
        while await _exporting(place):  # noqa: ASYNC110 # only the database knows
            await asyncio.sleep(0.02)
    assert (await line_lists.export(hub, line_lists.period(MORNING - DAY, MORNING))).is_success


async def test_an_export_left_in_the_moment_its_data_come_spoils_no_connection(
    hub: Hub,
) -> None:
    much = "SELECT repeat('x', 100000) FROM generate_series(1, 200)"
    loop = asyncio.get_running_loop()

    def leave_when_data_are_there() -> None:
        # they have come, and the task has not been told yet
        awaited = copying._fut_waiter
        if awaited is not None and awaited.done():
            copying.cancel()
        elif not copying.done():
            loop.call_soon(leave_when_data_are_there)

    async def sink(_: bytes) -> None:
        if not watched:
            watched.append(loop.call_soon(leave_when_data_are_there))

    async def copy() -> None:
        async with reader.reading(hub.runtime.database, 10) as tx:
            await reader.copy_csv(tx, much, (), sink, 10)

    watched: list[asyncio.Handle] = []
    copying = asyncio.create_task(copy())
    with pytest.raises(asyncio.CancelledError):
        await copying
    for _ in range(hub.runtime.settings.pool_size + 1):
        assert await line_lists.rows(hub) == []


async def test_few_exports_run_at_once_and_the_gates_go_on(hub: Hub) -> None:
    await _much(hub)
    client = hub.service.client(hub.tokens[Role.EPIDEMIOLOGIST])
    path = f"{line_lists.CASES}&{line_lists.period()}"
    streams = [client.stream("GET", path) for _ in range(reader.AT_ONCE)]
    pieces = [(await stream.__aenter__()).aiter_raw() for stream in streams]
    for stream in pieces:
        await anext(stream)
    refused = await client.get(path)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
    assert refused.json()["retryable"] is True
    passing = await hub.client().put(f"/v1/checks/{people.new_id()}", json=people.check())
    assert passing.status_code == 201
    for stream in streams:
        await stream.__aexit__(None, None, None)
    nothing = line_lists.period(MORNING - DAY, MORNING)
    async with asyncio.timeout(5):
        while (await line_lists.export(hub, nothing)).status_code == 429:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def test_every_column_is_explained_to_those_who_use_it() -> None:
    page = (ROOT / "docs" / "epidemiologists.md").read_text()
    table = page.partition("## The file")[2].partition("\n## ")[0]
    explained = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert explained == list(linelist.COLUMNS)


def test_every_figure_is_explained_to_those_who_use_it() -> None:
    page = (ROOT / "docs" / "epidemiologists.md").read_text()
    table = page.partition("## The report")[2].partition("\n## ")[0]
    explained = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
    assert explained == set(PeriodAnswer.model_fields) - {"since", "until", "as_of"}


async def test_who_takes_the_list_away_is_on_the_record_first(hub: Hub) -> None:
    for _ in range(3):
        await line_lists.enter(hub)
    assert len(await line_lists.rows(hub)) == 3
    (read,) = await reads(hub)
    assert (read["action"], read["purpose"], read["rows"]) == ("EXPORT", "INVESTIGATION", 3)
    assert read["fields"] == list(linelist.COLUMNS)
    assert read["operator_id"] == str(hub.duties[Role.EPIDEMIOLOGIST].operator_id)


@pytest.mark.parametrize("purpose", ["", "&purpose=TREATMENT"])
async def test_nobody_takes_the_list_away_without_a_purpose_that_fits(
    hub: Hub, purpose: str
) -> None:
    path = f"/v1/exports/cases.csv?{line_lists.period()}{purpose}"
    answer = await hub.client(Role.EPIDEMIOLOGIST).get(path)
    assert refused(answer, 403, "purpose-required") == []
    assert await reads(hub) == []
