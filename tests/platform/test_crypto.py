"""Keys in files: made once, refused when what they need is gone."""

from pathlib import Path

import pytest

from twinstile.arrivals import authorities
from twinstile.platform.keys import master_keys
from twinstile.platform.keys.data_keys import KeyDestroyed, KeyFiles, KeyUnavailable
from twinstile.platform.keys.master_keys import MasterFiles, SuppliedMasters


def test_a_lost_master_key_is_not_replaced_beside_keys_it_wrapped(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    first = MasterFiles(folder)
    assert MasterFiles(folder).current() == first.current()
    assert (folder / "master.key").stat().st_mode & 0o077 == 0
    KeyFiles(folder / "hub", first).get_or_create("day.2026-11-24")
    (folder / "master.key").unlink()
    with pytest.raises(KeyUnavailable, match="restore it"):
        MasterFiles(folder)


def test_a_destroyed_key_is_dead_in_every_process_and_never_made_again(tmp_path: Path) -> None:
    one, two = (KeyFiles(tmp_path, SuppliedMasters([bytes(32)])) for _ in range(2))
    assert one.get_or_create("day.2026-11-24") == two.get_or_create("day.2026-11-24")
    assert one.destroy("day.2026-11-24")
    for keys in (one, two):
        with pytest.raises(KeyDestroyed):
            keys.get("day.2026-11-24")
        with pytest.raises(KeyDestroyed):
            keys.get_or_create("day.2026-11-24")


@pytest.mark.parametrize(
    "setting", ["", "short", "not base64 at all!", "AAAA", f"{'A' * 43}=,"]
)
def test_a_master_key_is_32_bytes_in_base64(setting: str, tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable):
        master_keys.open_masters(setting, None, tmp_path)


def test_a_copy_somebody_laid_beside_a_key_is_no_key(tmp_path: Path) -> None:
    keys = KeyFiles(tmp_path, SuppliedMasters([bytes(32)]))
    keys.get_or_create("day.2026-11-24")
    for name in ("day.2026-11-24-old", "day.2026-11-24 (1)", "epoch.x"):
        (tmp_path / f"{name}.key").write_bytes((tmp_path / "day.2026-11-24.key").read_bytes())
    (tmp_path / "day.2026-11-23-old.gone").touch()
    assert keys.names("") == ["day.2026-11-24"]
    assert keys.destroyed("") == keys.condemned() == []


def test_the_key_of_what_sources_keep_is_one(tmp_path: Path) -> None:
    keys = KeyFiles(tmp_path, SuppliedMasters([bytes(32)]))
    keys.get_or_create(authorities.KEY)
    assert keys.names("") == [authorities.KEY]
