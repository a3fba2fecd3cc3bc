"""Files in a folder: everything departments have ever dropped there."""

import gzip
import hashlib
import json
import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
from folder_sender import NOW, drop, poll
from pydantic import ValidationError

from twinstile.arrivals.adapters.drop import MOST_SWEPT, FileDrop, ReadySign
from twinstile.arrivals.adapters.folder import FolderSettings
from twinstile.arrivals.transport import MOST_BYTES, MOST_DELIVERIES

BODY = b"train,date\nG7349,2026-11-20\n"
Opener = Callable[..., FileDrop]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncGenerator[Opener]:
    made: list[FileDrop] = []

    def open_folder(ready: ReadySign = ReadySign.OK, **more: object) -> FileDrop:
        settings = FolderSettings.model_validate(
            {"kind": "folder", "path": tmp_path, "ready": ready, **more}
        )
        made.append(settings.open())
        return made[-1]

    yield open_folder
    for one in made:
        await one.close()


def inside(folder: Path) -> set[str]:
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if not one.is_dir()}


async def test_a_file_with_its_marker_is_handed_over_and_moved_away(
    tmp_path: Path, opened: Opener
) -> None:
    drop(tmp_path, ["list.csv", "list.csv.ok", "half.csv"], BODY)
    polled = await poll(opened())
    assert (polled.names, polled.bodies, polled.fault) == (["list.csv"], [BODY], None)
    assert inside(tmp_path) == {"half.csv", "done/list.csv", "done/list.csv.ok"}


async def test_a_marker_may_have_the_name_without_its_ending(
    tmp_path: Path, opened: Opener
) -> None:
    drop(tmp_path, ["list.csv", "list.ok"], BODY)
    assert (await poll(opened())).names == ["list.csv"]
    assert inside(tmp_path) == {"done/list.csv", "done/list.ok"}


@pytest.mark.parametrize(
    ("ready", "marker"),
    [
        (ReadySign.MD5, hashlib.md5(BODY).hexdigest()),
        (ReadySign.SHA256, hashlib.sha256(BODY).hexdigest().upper() + "  list.csv\n"),
        (ReadySign.SM3, "\ufeff" + hashlib.new("sm3", BODY).hexdigest()),
        (
            ReadySign.MANIFEST,
            json.dumps({"sha256": hashlib.sha256(BODY).hexdigest(), "rows": 1, "by": "x"}),
        ),
    ],
)
async def test_the_digest_decides_whether_a_file_is_whole(
    tmp_path: Path, opened: Opener, ready: ReadySign, marker: str
) -> None:
    transport = opened(ready)
    (tmp_path / f"list.csv.{ready}").write_text(marker)
    drop(tmp_path, ["list.csv"], BODY[:-4])  # half of it
    polled = await poll(transport)
    assert (polled.bodies, polled.refused) == ([], ["digest-mismatch"])
    assert (tmp_path / "refused/list.csv.reason.txt").read_text() == "digest-mismatch\n"

    (tmp_path / f"list.csv.{ready}").write_text(marker)
    drop(tmp_path, ["list.csv"], BODY)  # sent again, the same name
    polled = await poll(transport)
    assert (polled.bodies, polled.refused) == ([BODY], [])
    assert [one.delivery.row_count for one in polled.fetched if one.delivery] == [
        1 if ready is ReadySign.MANIFEST else None
    ]


@pytest.mark.parametrize("marker", [b"", b"\xff\xfe", b"[1]", b'{"sha256": 5}', b"{" * 9000])
async def test_a_manifest_nobody_can_read_refuses_its_file(
    tmp_path: Path, opened: Opener, marker: bytes
) -> None:
    drop(tmp_path, ["list.csv"], BODY)
    drop(tmp_path, ["list.csv.manifest"], marker)
    assert (await poll(opened(ReadySign.MANIFEST))).refused == ["marker-unreadable"]


async def test_without_a_marker_a_file_must_look_the_same_at_two_polls(
    tmp_path: Path, opened: Opener
) -> None:
    transport = opened(ReadySign.STABLE)
    drop(tmp_path, ["list.csv"], BODY[:5])
    first = await poll(transport)
    assert (first.bodies, first.fault) == ([], None)
    drop(tmp_path, ["list.csv"], BODY)  # half-written at the first
    second = await poll(transport, first.cursor)
    assert second.bodies == []
    third = await poll(transport, second.cursor)
    assert (third.bodies, third.cursor) == ([BODY], "")
    assert (await poll(transport, third.cursor)).fetched == []


async def test_nothing_is_said_of_an_empty_folder(tmp_path: Path, opened: Opener) -> None:
    (tmp_path / "more").mkdir()
    drop(tmp_path, [".hidden.csv", "list.csv.part", "other.txt"], BODY)
    polled = await poll(opened(ReadySign.STABLE, pattern="*.csv*"))
    assert (polled.fetched, polled.fault) == ([], None)


async def test_the_same_name_again_keeps_both(tmp_path: Path, opened: Opener) -> None:
    transport = opened()
    for content in (b"one", b"two"):
        drop(tmp_path, ["list.csv", "list.csv.ok"], content)
        assert (await poll(transport)).bodies == [content]
    held = [one for one in inside(tmp_path) if not one.endswith("ok") and ".ok." not in one]
    assert sorted((tmp_path / one).read_bytes() for one in held) == [b"one", b"two"]


async def test_what_was_read_but_never_landed_comes_again_and_first(
    tmp_path: Path, opened: Opener
) -> None:
    drop(tmp_path, ["list.csv", "list.csv.ok"], b"first")
    assert (await poll(opened(), landing=False)).bodies == [b"first"]
    drop(tmp_path, ["list.csv", "list.csv.ok", "early.csv", "early.csv.ok"], b"again")
    transport = opened()  # after a restart
    assert (await poll(transport)).bodies == [b"first", b"again"]
    assert (await poll(transport)).bodies == [b"again"]
    assert (await poll(transport)).fetched == []


async def test_a_file_replaced_while_it_is_read_is_two_deliveries(
    tmp_path: Path, opened: Opener
) -> None:
    transport = opened()
    drop(tmp_path, ["list.csv", "list.csv.ok"], b"old")
    bodies: list[bytes] = []
    async for one in transport.fetch(None, NOW):
        drop(tmp_path, ["list.csv", "list.csv.ok"], b"new")  # between reading and landing
        await transport.acknowledge(one)
        bodies += [one.delivery.body] if one.delivery else []
    assert bodies == [b"old"]
    assert (await poll(transport)).bodies == [b"new"]


async def test_two_who_poll_at_once_never_read_one_file(tmp_path: Path, opened: Opener) -> None:
    drop(tmp_path, [f"{n}.csv{end}" for n in range(10) for end in ("", ".ok")], BODY)
    one, other = opened(), opened()
    begun = one.fetch(None, NOW)
    await anext(begun)
    met = await poll(other)
    rest = [taken async for taken in begun]
    assert len(met.fetched) == 10  # the first is found in `processing/`, and is the same bytes
    assert rest == []


async def test_an_empty_file_is_refused(tmp_path: Path, opened: Opener) -> None:
    drop(tmp_path, ["list.csv", "list.csv.ok"], b"")
    assert (await poll(opened())).refused == ["empty"]
    assert "refused/list.csv" in inside(tmp_path)


async def test_a_gigantic_file_is_refused_unread(tmp_path: Path, opened: Opener) -> None:
    drop(tmp_path, ["list.csv", "list.csv.ok", "good.csv", "good.csv.ok"], BODY)
    with (tmp_path / "list.csv").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    polled = await poll(opened())
    assert (polled.refused, polled.bodies) == (["too-large"], [BODY])


@pytest.mark.parametrize(
    ("held", "refused"),
    [
        (gzip.compress(BODY, mtime=0), None),
        (gzip.compress(BODY[:9], mtime=0) + gzip.compress(BODY[9:], mtime=0), None),
        (gzip.compress(BODY, mtime=0) + bytes(512), None),
        (gzip.compress(BODY, mtime=0)[:-6], "truncated"),
        (gzip.compress(bytes(MOST_BYTES + 1), mtime=0), "too-large"),
        (
            b"".join(gzip.compress(bytes(MOST_BYTES // 2 + 1), mtime=0) for _ in range(2)),
            "too-large",
        ),
        (BODY, "gzip-broken"),
    ],
)
async def test_compressed_files_and_bombs(
    tmp_path: Path, opened: Opener, held: bytes, refused: str | None
) -> None:
    drop(tmp_path, ["list.csv.gz", "list.csv.gz.ok"], held)
    polled = await poll(opened())
    assert polled.refused == ([refused] if refused else [])
    assert polled.bodies == ([] if refused else [BODY])
    assert polled.names == (["list.csv.gz"] if refused else ["list.csv"])


async def test_links_and_pipes_are_refused_and_never_followed(
    tmp_path: Path, opened: Opener, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = tmp_path_factory.mktemp("outside") / "secret"
    secret.write_text("keys")
    drop(tmp_path, ["a.csv.ok", "b.csv.ok"])
    (tmp_path / "a.csv").symlink_to(secret)
    os.mkfifo(tmp_path / "b.csv")
    polled = await poll(opened())
    assert (polled.refused, polled.bodies) == (["not-a-file", "not-a-file"], [])
    assert (tmp_path / "refused/a.csv").is_symlink()
    assert secret.read_text() == "keys"


async def test_a_folder_of_ours_that_is_a_link_stops_the_poll(
    tmp_path: Path, opened: Opener, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (tmp_path / "done").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    drop(tmp_path, ["list.csv", "list.csv.ok"], BODY)
    polled = await poll(opened())
    assert (polled.fetched, polled.fault) == ([], "permission-denied")


@pytest.mark.parametrize(
    "name",
    [b"li\xffst.csv", b"list\n.csv", b"to\\..\\list.csv", b"n" * 201, "\u202etsil".encode()],
)
async def test_a_name_that_cannot_be_kept_is_refused_under_another(
    tmp_path: Path, opened: Opener, name: bytes
) -> None:
    drop(tmp_path, [os.fsdecode(name), os.fsdecode(name + b".ok")], BODY)
    polled = await poll(opened())
    assert (polled.refused, polled.names, polled.bodies) == (["bad-name"], [""], [])
    (kept,) = (one.name for one in (tmp_path / "refused").glob("bad-name.*[0-9a-f]"))
    assert (tmp_path / f"refused/{kept}.reason.txt").read_text() == "bad-name\n"


async def test_a_backlog_of_ten_thousand_comes_in_polls_the_oldest_first(
    tmp_path: Path, opened: Opener
) -> None:
    names = [f"{(n * 7919) % 5000:05}.csv" for n in range(5000)]
    drop(tmp_path, [name + end for name in names for end in ("", ".ok")], b"x")
    polled = await poll(opened(), landing=False)
    assert polled.names == names[:MOST_DELIVERIES]


async def test_a_backlog_that_must_be_stable_keeps_its_cursor_small(
    tmp_path: Path, opened: Opener
) -> None:
    drop(tmp_path, [f"{n:05}.csv" for n in range(500)], b"x")
    transport, cursor, sizes = opened(ReadySign.STABLE), None, list[int]()
    for _ in range(7):
        polled = await poll(transport, cursor)
        cursor = polled.cursor
        sizes.append(len(polled.bodies))
        assert len(cursor or "") <= 4096
    assert sizes == [0, 100, 100, 100, 100, 100, 0]


async def test_a_folder_one_may_not_read_any_more_is_a_fault(
    tmp_path: Path, opened: Opener
) -> None:
    drop(tmp_path, ["list.csv", "list.csv.ok"], BODY)
    transport = opened()
    before = os.geteuid()
    os.chmod(tmp_path, 0)  # noqa: PTH101 -- the async rules know pathlib only
    try:
        if before == 0:
            os.seteuid(65534)
        assert (await poll(transport)).fault == "permission-denied"
    finally:
        os.seteuid(before)
        os.chmod(tmp_path, 0o700)  # noqa: PTH101
    assert (await poll(transport)).bodies == [BODY]


async def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    transport = FolderSettings(kind="folder", path=tmp_path / "away").open()
    assert (await poll(transport)).fault == "folder-missing"
    await transport.close()


async def test_a_share_that_hangs_is_a_fault_within_its_time(
    tmp_path: Path, opened: Opener
) -> None:
    drop(tmp_path, ["list.csv", "list.csv.ok"], BODY)
    assert (await poll(opened(within_s=1e-9))).fault == "timeout"


async def test_what_is_done_is_removed_after_its_days(tmp_path: Path, opened: Opener) -> None:
    for folder in ("done", "refused"):
        (tmp_path / folder).mkdir()
        drop(tmp_path / folder, ["old.csv"])
    drop(tmp_path, ["new.csv", "new.csv.ok"])  # by its sender's clock as old as those
    transport = opened(keep_days=1)
    await poll(transport)
    await poll(transport)
    assert inside(tmp_path) == {"done/new.csv", "done/new.csv.ok"}


async def test_what_is_old_is_removed_from_among_many_that_are_not(
    tmp_path: Path, opened: Opener
) -> None:
    (tmp_path / "done").mkdir()
    for n in range(4 * MOST_SWEPT):  # in whatever order the folder is listed
        drop(tmp_path / "done", [f"{n}.csv"])
        if n % 8:
            os.utime(tmp_path / f"done/{n}.csv", (NOW.timestamp(), NOW.timestamp()))
    await poll(opened(keep_days=1))
    assert len(inside(tmp_path)) == 4 * MOST_SWEPT * 7 // 8


@pytest.mark.parametrize(
    "settings",
    [
        {"path": "relative"},
        {"path": "/x", "ready": "soon"},
        {"path": "/x", "password": "secret"},
        {"path": "/x", "within_s": 600},
    ],
)
def test_settings_are_closed_and_bounded(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FolderSettings.model_validate({"kind": "folder", **settings})
