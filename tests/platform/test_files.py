import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from twinstile.platform.ops import clock, config_files
from twinstile.platform.ops.config_files import InvalidFile


class Told(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(default="nobody", max_length=10)
    parts: tuple[dict[str, int], ...] = ()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def _to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _to_itself(path: Path) -> None:
    path.symlink_to(path)


def _to_nothing(path: Path) -> None:
    path.symlink_to(path.with_name("gone"))


@pytest.mark.parametrize(
    "made", [_pipe, _socket, _to_a_device, _to_itself, _to_nothing, Path.mkdir]
)
@pytest.mark.parametrize("optional", [False, True])
async def test_what_is_no_file_is_refused_and_keeps_nobody_waiting(
    made: Callable[[Path], None], optional: bool, tmp_path: Path
) -> None:
    path = tmp_path / "told.toml"
    made(path)
    with pytest.raises(InvalidFile, match=r"told\.toml: "):
        config_files.toml(path, Told, optional=optional)


def test_a_link_to_a_file_is_read_as_mounted_secrets_are_links(tmp_path: Path) -> None:
    (tmp_path / "held").write_bytes(b"s3cret\r\n")
    (tmp_path / "link").symlink_to(tmp_path / "held")
    assert config_files.secret(tmp_path / "link") == b"s3cret"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b"name = [[hunter2", "not TOML in UTF-8: .*line 1"),
        (b"name = 'hunter2'\nnumber = " + b"9" * 5000, "not TOML in UTF-8$"),
        (b"name = " + b"[" * 10_000, "not TOML in UTF-8$"),
        (b"name = '\xff'", "not TOML in UTF-8$"),
        (b"name = 'hunter2hunter2'", "name: String should have at most"),
        (b"[[parts]]\nhunter2 = 1\n[[parts]]\none = 'hunter2'", "parts/1/one: Input should be"),
        (b"#" * (config_files.LARGEST + 1), "more than 1048576 bytes"),
    ],
)
def test_a_mistake_is_told_by_its_place_and_without_its_value(
    written: bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "told.toml"
    path.write_bytes(written)
    with pytest.raises(InvalidFile, match=said) as refused:
        config_files.toml(path, Told)
    assert str(refused.value).startswith(f"{path}: ")
    assert "hunter2" not in str(refused.value)


def test_where_there_need_be_no_file_there_is_what_an_empty_one_tells(tmp_path: Path) -> None:
    assert config_files.toml(tmp_path / "none.toml", Told, optional=True) == Told()
    with pytest.raises(InvalidFile, match="No such file"):
        config_files.toml(tmp_path / "none.toml", Told)


def test_a_file_where_nobody_can_look_does_not_count_as_none(tmp_path: Path) -> None:
    (tmp_path / "folder").write_bytes(b"")
    with pytest.raises(InvalidFile, match="Not a directory"):
        config_files.toml(tmp_path / "folder" / "told.toml", Told, optional=True)


@pytest.mark.parametrize("held", [b"", b"\n", b"x" * (config_files.LARGEST_SECRET + 1)])
def test_a_secret_is_neither_empty_nor_long(held: bytes, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(held)
    with pytest.raises(InvalidFile, match="secret: "):
        config_files.secret(tmp_path / "secret")


@pytest.mark.parametrize("written", [b"[1]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(written: bytes, tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_bytes(written)
    with pytest.raises(InvalidFile, match=r"rules.json: not"):
        config_files.document(tmp_path / "rules.json")


def test_a_path_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidFile, match="cannot be read"):
        config_files.read(Path("no\0path"))


@pytest.mark.parametrize("name", ["Asia", "", "x" * 300, "../etc/passwd", "leapseconds"])
def test_what_is_no_zone_is_refused_as_such(name: str) -> None:
    with pytest.raises(ValueError, match="not a time zone"):
        clock.zone(name)
