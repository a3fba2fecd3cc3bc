"""Signatures of a hub, checked by whoever holds the public key."""

import base64
from pathlib import Path

import pytest

from twinstile.platform.keys import signing
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.keys.master_keys import SuppliedMasters

RFC_8032_SEED = bytes.fromhex(
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"
)
RFC_8032_PUBLIC = bytes.fromhex(
    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
)
RFC_8032_SIGNATURE = bytes.fromhex(
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
)


@pytest.fixture
def keys(tmp_path: Path) -> KeyFiles:
    return KeyFiles(tmp_path / "hub", SuppliedMasters([bytes(32)]))


def test_it_is_the_ed25519_of_the_rfc() -> None:
    one = signing._load(RFC_8032_SEED)
    assert base64.b64decode(one.public_key) == RFC_8032_PUBLIC
    assert base64.b64decode(one.sign(bytes.fromhex("af82"))) == RFC_8032_SIGNATURE


def test_another_process_signs_with_the_same_key(keys: KeyFiles, tmp_path: Path) -> None:
    again = signing.signer(KeyFiles(tmp_path / "hub", SuppliedMasters([bytes(32)])))
    assert signing.signer(keys).key_id == again.key_id
    assert list(signing.public_keys(keys)) == [again.key_id]


def test_after_rotation_older_signatures_still_verify(keys: KeyFiles) -> None:
    first = signing.signer(keys)
    signature = first.sign(b"root")
    second = signing.rotate(keys)
    assert signing.signer(keys).key_id == second.key_id != first.key_id
    assert list(signing.public_keys(keys)) == [first.key_id, second.key_id]
    public = signing.public_keys(keys)
    assert signing.verify(public[first.key_id], b"root", signature)
    assert not signing.verify(public[second.key_id], b"root", signature)


@pytest.mark.parametrize(
    ("message", "signature"),
    [
        (b"other", None),
        (b"root", ""),
        (b"root", "AAAA"),
        (b"root", "\u00e9"),
        (b"root", "A" * 88),
    ],
)
def test_what_was_not_signed_does_not_verify(
    keys: KeyFiles, message: bytes, signature: str | None
) -> None:
    one = signing.signer(keys)
    assert not signing.verify(
        one.public_key, message, one.sign(b"root") if signature is None else signature
    )
