"""Exchange tables in another database: SQLite in a file, and a PostgreSQL of its own."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from conftest import administer
from folder_sender import NOW, Polled, poll
from pydantic import ValidationError
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from twinstile.arrivals.adapters.exchange import ExchangeSettings, ExchangeTransport
from twinstile.arrivals.records import WHOLE
from twinstile.arrivals.transport import FeedFault
from twinstile.operations.startup import DatabaseTarget

BEGIN = dt.datetime(2026, 11, 20, 7, 0)  # noqa: DTZ001 -- as such tables have it
TABLE = """
CREATE TABLE exch_train (id INTEGER PRIMARY KEY, train_no CHAR(8), run_day CHAR(10),
    op_flag CHAR(1), batch_no INTEGER, seq INTEGER, status CHAR(2), update_time {time})
"""


@dataclass
class Front:
    """The department's side of its front-end database."""

    url: str
    secret: Path
    text: bool

    async def run(self, statement: str, *rows: dict[str, object]) -> list[tuple[object, ...]]:
        text, given = sa.text(statement), list(rows) or None
        if self.text:
            engine = sa.create_engine(self.url, poolclass=NullPool)
            with engine.begin() as connection:
                done = connection.execute(text, given)
                return [tuple(row) for row in done] if done.returns_rows else []
        async with create_async_engine(self.url, poolclass=NullPool).begin() as connection:
            done = await connection.execute(text, given)
            return [tuple(row) for row in done] if done.returns_rows else []

    def moment(self, at: int) -> object:
        moment = BEGIN + dt.timedelta(seconds=at)
        return moment.isoformat(" ") if self.text else moment

    async def put(
        self, *ids: int, at: int = 0, train: str = "G7349", day: str = "2026-11-20"
    ) -> None:
        """Write rows, or write them anew, at a second of the department's clock."""
        common = {"train": train, "day": day, "at": self.moment(at)}
        rows = [{"id": one, "seq": one} | common for one in ids]
        await self.run("DELETE FROM exch_train WHERE id = :id", *({"id": one} for one in ids))
        await self.run(
            "INSERT INTO exch_train VALUES (:id, :train, :day, 'I', 1, :seq, '0', :at)", *rows
        )

    def open(self, **more: object) -> ExchangeTransport:
        given: dict[str, object] = {
            "kind": "exchange",
            "url_file": self.secret,
            "table": "exch_train",
            "columns": ["train_no", "run_day", "op_flag", "batch_no", "seq"],
            "id_column": "id",
            "time_column": "update_time",
            "overlap_s": 60,
        }
        return ExchangeSettings.model_validate(given | more).open()

    async def poll(
        self, cursor: str | None = None, *, now: dt.datetime = NOW, **more: object
    ) -> Polled:
        transport = self.open(**more)
        polled = await poll(transport, cursor, now=now)
        await transport.close()
        return polled


def ids(polled: Polled) -> list[list[int]]:
    """Of each delivery, which rows it holds."""
    return [[json.loads(line)["id"] for line in body.splitlines()] for body in polled.bodies]


@pytest.fixture(params=["sqlite", "postgresql"])
async def front(
    request: pytest.FixtureRequest, tmp_path: Path, place: DatabaseTarget
) -> AsyncGenerator[Front]:
    text, name = request.param == "sqlite", f"front_{uuid4().hex[:12]}"
    url = f"sqlite:///{tmp_path}/front.db"
    if not text:
        await asyncio.to_thread(administer, place.owner_url, f'CREATE DATABASE "{name}"')
        own = make_url(place.owner_url).set(database=name, drivername="postgresql+asyncpg")
        url = own.render_as_string(hide_password=False)
    (tmp_path / "url").write_text(url + "\n")
    front = Front(url, tmp_path / "url", text)
    await front.run(TABLE.format(time="TEXT" if text else "TIMESTAMP(0)"))
    yield front
    if not text:
        await asyncio.to_thread(administer, place.owner_url, f'DROP DATABASE "{name}"')


async def test_rows_come_in_their_order_and_unpadded(front: Front) -> None:
    await front.put(3, at=1)
    await front.put(2, 1, at=5, train="D1")
    polled = await front.poll()
    assert ids(polled) == [[3, 1, 2]]
    assert json.loads(polled.bodies[0].splitlines()[1]) == {
        "update_time": "2026-11-20 07:00:05" if front.text else "2026-11-20T07:00:05",
        "id": 1,
        "train_no": "D1",
        "run_day": "2026-11-20",
        "op_flag": "I",
        "batch_no": 1,
        "seq": 1,
    }


async def test_nothing_new_is_nothing(front: Front) -> None:
    assert (await front.poll()).fetched == []
    await front.put(1, 2)
    polled = await front.poll()
    again = await front.poll(polled.cursor)
    assert (again.fetched, again.fault, again.cursor) == ([], None, polled.cursor)


async def test_rows_of_one_second_are_cut_between_deliveries_and_none_is_missed(
    front: Front,
) -> None:
    await front.put(*range(1, 26), at=7)
    polled = await front.poll(rows=10, pages=2)
    assert ids(polled) == [list(range(1, 11)), list(range(11, 21))]
    rest = await front.poll(polled.cursor, rows=10, pages=2)  # exactly where it stopped
    assert ids(rest) == [list(range(21, 26))]
    assert len(rest.cursor or "") <= 4096


async def test_a_row_committed_behind_the_mark_is_found_in_the_overlap(front: Front) -> None:
    await front.put(1, at=0)
    await front.put(2, at=120)
    polled = await front.poll()
    await front.put(3, at=90)  # of a long transaction
    await front.put(4, at=30)  # earlier than the overlap: that is its bound
    again = await front.poll(polled.cursor)
    assert ids(again) == [[3, 2]]


async def test_a_row_changed_before_it_was_read_comes_once_as_it_is(front: Front) -> None:
    await front.put(1, 2, 3, at=0)
    first = await front.poll(rows=2, pages=1)
    await front.put(1, at=9, train="G1")  # read before
    await front.put(3, at=9, train="G3")  # not yet read
    rest = await front.poll(first.cursor, rows=2)
    assert ids(rest) == [[1, 3]]


async def test_a_clock_far_ahead_does_not_hide_what_comes_after(front: Front) -> None:
    await front.put(1, at=0)
    await front.put(9, at=400 * 86_400)
    polled = await front.poll()
    assert ids(polled) == [[1, 9]]
    await front.put(2, at=30)
    again = await front.poll(polled.cursor)
    assert ids(again) == [[1, 2, 9]]


async def test_rows_are_marked_as_read_once_they_have_landed(front: Front) -> None:
    await front.put(1, 2)
    transport = front.open(status_column="status", status_read="1")
    async for one in transport.fetch(None, NOW):
        await front.put(2, at=9)  # changed since: it is to be read again
        await transport.acknowledge(one)
        await transport.acknowledge(one)
    await transport.close()
    found = await front.run("SELECT id, status FROM exch_train ORDER BY id")
    assert [(key, str(status).strip()) for key, status in found] == [(1, "1"), (2, "0")]


async def test_rows_that_were_deleted_show_when_a_day_is_read_whole(front: Front) -> None:
    hour = dt.timedelta(hours=1)
    how = {"day_column": "run_day", "reconcile_s": 3600, "reconcile_days": 2}
    await front.put(1, 2, 3)
    await front.put(4, day="2026-11-19")
    await front.put(5, day="2026-11-01")
    polled = await front.poll(**how)
    assert ids(polled) == [[1, 2, 3, 4, 5]]
    await front.run("DELETE FROM exch_train WHERE id = 2")
    soon = await front.poll(polled.cursor, now=NOW + hour / 2, **how)
    assert ids(soon) == [[1, 3, 4, 5]]  # an overlap with less in it, and not yet the day
    later = await front.poll(soon.cursor, now=NOW + hour, **how)
    assert ids(later) == [[1, 3]]
    (whole,) = (one.delivery for one in later.fetched if one.delivery)
    assert whole.media_type == f"application/x-ndjson; {WHOLE}"
    quiet = await front.poll(later.cursor, now=NOW + 2 * hour, **how)
    assert (quiet.bodies, len(quiet.cursor or "") <= 4096) == ([], True)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE exch_train DROP COLUMN seq",
        "ALTER TABLE exch_train RENAME COLUMN update_time TO changed",
        "DROP TABLE exch_train",
    ],
)
async def test_a_column_that_is_gone_stops_the_feed(front: Front, change: str) -> None:
    await front.put(1)
    await front.run(change)
    polled = await front.poll()
    assert (polled.fetched, polled.fault) == ([], "schema-changed")


async def test_a_column_that_was_added_does_not(front: Front) -> None:
    await front.run("ALTER TABLE exch_train ADD COLUMN remark TEXT")
    await front.run("INSERT INTO exch_train (id, update_time) VALUES (1, NULL)")
    await front.run(
        "INSERT INTO exch_train (id, update_time) VALUES (2, :at)", {"at": front.moment(0)}
    )
    assert ids(await front.poll()) == [[2]]  # without a time a row is not there yet


async def test_a_connection_lost_in_a_batch_keeps_what_was_handed_over(front: Front) -> None:
    await front.put(*range(1, 6))
    transport = front.open(rows=2)
    fetching = transport.fetch(None, NOW)
    first = await anext(fetching)
    await front.run("ALTER TABLE exch_train RENAME TO away")
    with pytest.raises(FeedFault):
        await anext(fetching)
    await transport.close()
    await front.run("ALTER TABLE away RENAME TO exch_train")
    assert first.delivery is not None
    assert first.delivery.body.count(b"\n") == 2
    assert ids(await front.poll(first.cursor, rows=2)) == [[3, 4], [5]]


async def test_a_database_that_does_not_answer_in_time_is_a_fault(front: Front) -> None:
    assert (await front.poll(within_s=1e-6)).fault == "timeout"


@pytest.mark.parametrize("cursor", ["", "[]", "nonsense", '{"at": 5}'])
async def test_a_cursor_nobody_can_read_begins_again(front: Front, cursor: str) -> None:
    await front.put(1)
    assert ids(await front.poll(cursor)) == [[1]]


async def test_a_cursor_of_another_kind_is_a_fault(front: Front) -> None:
    assert (await front.poll('{"at": ["bool", "x"]}')).fault == "cursor-unreadable"


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("nonsense", "secret-unreadable"),
        ("oracle+nonsense://x", "driver-missing"),
        ("dm+dmPython://department", "driver-missing"),
        ("", "secret-unreadable"),
    ],
)
def test_a_url_without_a_driver_is_a_fault_when_opened(
    tmp_path: Path, url: str, fault: str
) -> None:
    (tmp_path / "url").write_text(url)
    with pytest.raises(FeedFault, match=fault):
        Front(url, tmp_path / "url", text=True).open()


async def test_a_server_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql+asyncpg://hub:x@127.0.0.1:1/front")
    front = Front("", tmp_path / "url", text=True)
    assert (await front.poll()).fault == "connect-failed"


@pytest.mark.parametrize(
    "faulty",
    [
        {"table": "a; DROP TABLE b"},
        {"columns": []},
        {"columns": ["id"]},
        {"columns": ["x", "x"]},
        {"rows": 100_000},
        {"url": "postgresql://u:secret@h/d"},
    ],
)
def test_settings_name_columns_and_nothing_else(
    tmp_path: Path, faulty: dict[str, object]
) -> None:
    with pytest.raises(ValidationError) as raised:
        Front("", tmp_path / "url", text=True).open(**faulty)
    assert "secret" not in str(raised.value)
