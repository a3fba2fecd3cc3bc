"""Keys in files: made once, refused when what they need is gone."""

from pathlib import Path

import pytest

from twinstile.platform import crypto
from twinstile.platform.crypto import KeyDestroyed, KeyFiles, KeyUnavailable


def test_a_lost_master_key_is_not_replaced_beside_keys_it_wrapped(tmp_path: Path) -> None:
    master = crypto.master_key(None, tmp_path)
    assert crypto.master_key(None, tmp_path) == master
    KeyFiles(tmp_path / "keys" / "hub", master).get_or_create("day.2026-11-24")
    (tmp_path / "keys" / "master.key").unlink()
    with pytest.raises(KeyUnavailable, match="restore it"):
        crypto.master_key(None, tmp_path)


def test_a_destroyed_key_is_dead_in_every_process_and_never_made_again(tmp_path: Path) -> None:
    one, two = KeyFiles(tmp_path, bytes(32)), KeyFiles(tmp_path, bytes(32))
    assert one.get_or_create("day.2026-11-24") == two.get_or_create("day.2026-11-24")
    assert one.destroy("day.2026-11-24")
    for keys in (one, two):
        with pytest.raises(KeyDestroyed):
            keys.get("day.2026-11-24")
        with pytest.raises(KeyDestroyed):
            keys.get_or_create("day.2026-11-24")


@pytest.mark.parametrize("setting", ["", "short", "not base64 at all!", "AAAA"])
def test_a_master_key_is_32_bytes_in_base64(setting: str, tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable):
        crypto.master_key(setting, tmp_path)
