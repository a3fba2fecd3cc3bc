"""The tree of the RFC, grown leaf by leaf, against its recursive definition."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from twinstile.platform.ledger import merkle

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


def grown(leaves: list[bytes]) -> tuple[list[bytes], dict[tuple[int, int], bytes]]:
    peaks: list[bytes] = []
    nodes: dict[tuple[int, int], bytes] = {}
    for size, entry in enumerate(leaves):
        hashed = merkle.leaf(entry)
        nodes[0, size] = hashed
        for level, index, inner in merkle.push(peaks, size, hashed):
            nodes[level, index] = inner
    return peaks, nodes


def test_the_known_vector() -> None:
    assert merkle.root(grown(RFC_6962_LEAVES)[0]).hex() == RFC_6962_ROOT


def test_every_size_has_the_root_of_the_definition() -> None:
    leaves = [bytes([n]) for n in range(70)]
    for size in range(71):
        assert merkle.root(grown(leaves[:size])[0]) == defined(leaves[:size])


@given(st.integers(1, 300), st.data())
def test_every_leaf_is_proven_and_no_other(size: int, data: st.DataObject) -> None:
    leaves = [n.to_bytes(2, "big") for n in range(size)]
    index = data.draw(st.integers(0, size - 1))
    peaks, nodes = grown(leaves)
    proof = [
        merkle.root([nodes[subtree] for subtree in merkle.subtrees(first, end)])
        for first, end in merkle.path(index, size)
    ]
    top = merkle.root(peaks)
    hashed = merkle.leaf(leaves[index])
    assert merkle.included(hashed, index, size, proof, top)
    assert not merkle.included(merkle.leaf(b"x"), index, size, proof, top)
    assert not merkle.included(hashed, index, size, proof, merkle.leaf(b"x"))
    assert not merkle.included(hashed, index, size, [*proof, top], top)
    if proof:
        assert not merkle.included(hashed, index, size, proof[:-1], top)
        assert not merkle.included(hashed, (index + 1) % size, size, proof, top)
    assert not merkle.included(hashed, size, size, proof, top)
