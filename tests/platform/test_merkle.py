"""The tree of the RFC, grown leaf by leaf, against its recursive definition."""

import hashlib

from twinstile.platform.ledger import chain

RFC_6962_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
RFC_6962_ROOT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
"""Of the eight leaves above: the well-known vector of the reference implementations."""


def defined(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + defined(leaves[:k]) + defined(leaves[k:])).digest()


def grown(leaves: list[bytes]) -> bytes:
    peaks: list[bytes] = []
    for size, entry in enumerate(leaves):
        chain.push_leaf(peaks, size, entry)
    return chain.tree_root(peaks)


def test_the_known_vector() -> None:
    assert grown(RFC_6962_LEAVES).hex() == RFC_6962_ROOT


def test_every_size_has_the_root_of_the_definition() -> None:
    leaves = [bytes([n]) for n in range(70)]
    for size in range(71):
        assert grown(leaves[:size]) == defined(leaves[:size])
