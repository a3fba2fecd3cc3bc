"""Merkle trees as RFC 9162, section 2.1 (and RFC 6962 before it) hashes them, with SHA-256.

A growing tree is kept as its peaks: the roots of the perfect subtrees it consists of, largest
first, one for each 1 in the binary number of its leaves. From them follow the root and every
larger tree, so that nobody needs the leaves again.
"""

import hashlib
from collections.abc import Iterator, Sequence

HASH_BYTES = 32


def leaf(entry: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\0" + entry).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\1" + left + right).digest()


def push(peaks: list[bytes], size: int, hashed: bytes) -> list[tuple[int, int, bytes]]:
    """Add a leaf to a tree of `size` leaves; the perfect subtrees it completes.

    Each is (level, index, hash): it covers the 2^level leaves from index * 2^level on.
    """
    completed: list[tuple[int, int, bytes]] = []
    level = 0
    while size >> level & 1:
        hashed = node(peaks.pop(), hashed)
        level += 1
        completed.append((level, size >> level, hashed))
    peaks.append(hashed)
    return completed


def root(peaks: Sequence[bytes]) -> bytes:
    """The root of the whole tree; of an empty one the hash of nothing."""
    if not peaks:
        return hashlib.sha256().digest()
    *larger, hashed = peaks
    for peak in reversed(larger):
        hashed = node(peak, hashed)
    return hashed


def path(index: int, size: int) -> Iterator[tuple[int, int]]:
    """The neighbours of a leaf on its way to the root of `size` leaves, lowest first.

    Each is the range of leaves (first, end) whose subtree's hash belongs to the proof.
    """
    first, end = 0, size
    found: list[tuple[int, int]] = []
    while end - first > 1:
        middle = first + (1 << (end - first - 1).bit_length() - 1)
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((first, middle))
            first = middle
    return reversed(found)


def subtrees(first: int, end: int) -> Iterator[tuple[int, int]]:
    """The perfect subtrees (level, index) that a range of `path` consists of, largest first."""
    while first < end:
        level = (end - first).bit_length() - 1
        yield level, first >> level
        first += 1 << level


def included(hashed: bytes, index: int, size: int, proof: Sequence[bytes], top: bytes) -> bool:
    """Whether the proof leads from a leaf's hash to the root, as RFC 9162, 2.1.3.2 has it."""
    if not 0 <= index < size:
        return False
    at, last = index, size - 1
    for neighbour in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            hashed = node(neighbour, hashed)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            hashed = node(hashed, neighbour)
        at, last = at >> 1, last >> 1
    return last == 0 and hashed == top
