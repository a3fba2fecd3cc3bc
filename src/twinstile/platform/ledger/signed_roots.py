r"""Roots of the ledger, signed and written where nobody who changes the database can reach.

The file outside the data folder has one JSON object a line:

    {"hub_id":…,"epoch":…,"n":…,"root":…,"at":…,"key_id":…,"signature":…}

`root` is the Merkle root (hex) over the first `n` entries, `at` the moment in RFC 3339. The
signature (see `signing`) is over the UTF-8 text of the same object without `signature`: members
in this order, no spaces, nothing escaped but `"`, `\` and controls.
"""

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, cast

from twinstile.platform.db.database import Transaction
from twinstile.platform.keys import signing
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.keys.master_keys import sync_folder
from twinstile.platform.keys.signing import Signer
from twinstile.platform.ledger import chain

LONGEST = 1 << 14
"""Bytes of a line; a root takes some hundred. A longer line is none, and never read whole."""
MEMBERS = ("hub_id", "epoch", "n", "root", "at", "key_id")


@dataclass(frozen=True, slots=True)
class Root:
    """What was published: the state of a hub's ledger at one number."""

    hub_id: str
    epoch: str
    n: int
    root: str
    at: str
    key_id: str
    signature: str = ""

    def message(self) -> bytes:
        """The bytes that are signed."""
        return _text({name: getattr(self, name) for name in MEMBERS}).encode()

    def line(self) -> bytes:
        """The line of the file."""
        members = {name: getattr(self, name) for name in (*MEMBERS, "signature")}
        return _text(members).encode() + b"\n"


async def publish(
    tx: Transaction, hub_id: str, keys: KeyFiles, file: Path, at: datetime
) -> Root | None:
    """Sign the present root and append it to the file, unless it stands there already.

    The file is on the disk before the database notes it: a crash in between repeats the line.
    Raises `OSError` when the file cannot be written, `KeyUnavailable`.
    """
    head = await chain.lock(tx, hub_id)
    if head is None or head.published_n == head.n:
        return None
    signer = await asyncio.to_thread(signing.signer, keys)
    made = _signed(head, signer, at)
    await asyncio.to_thread(append, file, made.line())
    await tx.raw.execute(
        "UPDATE ledger_head SET published_n = $2 WHERE hub_id = $1", hub_id, head.n
    )
    return made


def _signed(head: chain.ChainHead, signer: Signer, at: datetime) -> Root:
    unsigned = Root(
        head.hub_id,
        head.epoch,
        head.n,
        chain.tree_root(head.peaks).hex(),
        at.isoformat(timespec="milliseconds"),
        signer.key_id,
    )
    members = {name: getattr(unsigned, name) for name in MEMBERS}
    return Root(**members, signature=signer.sign(unsigned.message()))


def append(file: Path, line: bytes) -> None:
    """Add a line and wait for the disk; a torn end, left by a power cut, is closed first.

    Raises `OSError`, also where the disk has room for a part of it: that is a torn end then.
    """
    file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        size = os.fstat(handle).st_size
        whole = size == 0 or os.pread(handle, 1, size - 1) == b"\n"
        rest = line if whole else b"\n" + line
        while rest:  # a disk that is nearly full takes a part and reports no error
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
        if size == 0:
            sync_folder(file.parent)
    finally:
        os.close(handle)


def read(file: Path, hub_id: str) -> Iterator[tuple[int, Root | None]]:
    """The hub's roots with their line numbers; None for a line that cannot be read.

    Raises `OSError`.
    """
    with file.open("rb") as lines:
        for number, line in enumerate(_bounded(lines), 1):
            root = parse(line)
            if root is None or root.hub_id == hub_id:
                yield number, root


def _bounded(lines: BinaryIO) -> Iterator[bytes]:
    """Lines; nothing stands for one that is too long."""
    while line := lines.readline(LONGEST):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = lines.readline(LONGEST)
            line = b"" if rest else line
        yield line


def epochs(file: Path, hub_id: str, public_keys: Mapping[str, str]) -> list[str]:
    """Epochs in which the hub published a root whose signature holds, oldest first.

    None where there is no file. One line at a time is in memory, whatever its length in years.
    Raises other `OSError`.
    """
    found: dict[str, None] = {}
    try:
        for _, root in read(file, hub_id):
            if root is None or root.epoch in found:
                continue
            if signing.verify(public_keys.get(root.key_id, ""), root.message(), root.signature):
                found[root.epoch] = None
    except FileNotFoundError:
        return []
    return list(found)


def parse(line: bytes) -> Root | None:
    """The root of a line, None when it is none."""
    try:
        found = cast("object", json.loads(line))
    except (ValueError, RecursionError):  # the latter for a thousand brackets
        return None
    if not isinstance(found, dict):
        return None
    members = cast("dict[str, object]", found)
    if set(members) != {*MEMBERS, "signature"}:
        return None
    n, words = members.pop("n"), members
    if type(n) is not int:
        return None
    # half a surrogate is text that no bytes can be made of, to compare with a signature
    if not all(isinstance(word, str) and word.isprintable() for word in words.values()):
        return None
    return Root(n=n, **cast("dict[str, str]", words))


def _text(members: dict[str, object]) -> str:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"))
