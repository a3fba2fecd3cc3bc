"""Traces of a text on a disk: how it may be written, and where it lies."""

import base64
import mmap
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import asyncpg
from sqlalchemy.engine import make_url


def needles(text: str) -> dict[str, bytes]:
    """A text as it could lie on a disk."""
    plain = text.encode()
    found = {
        "plain": plain,
        "UTF-16LE": text.encode("utf-16-le"),
        "UTF-16BE": text.encode("utf-16-be"),
        "URL": quote(text).encode(),
        "hex": plain.hex().encode(),
        "HEX": plain.hex().upper().encode(),
    }
    for offset in range(3):
        whole = base64.b64encode(bytes(offset) + plain)
        # the characters that the neighbours of the text have no part in
        inner = whole[(0, 2, 3)[offset] : (offset + len(plain)) * 8 // 6]
        found[f"base64+{offset}"] = inner
        found[f"base64url+{offset}"] = inner.replace(b"+", b"-").replace(b"/", b"_")
    return found


def scan(folders: list[Path], texts: list[str]) -> set[str]:
    """Which of the texts lie in these folders, and how written; and where."""
    wanted = {(t, how): needle for t in texts for how, needle in needles(t).items()}
    found: set[str] = set()
    for file in _files(folders):
        with file.open("rb") as handle, mmap.mmap(handle.fileno(), 0, prot=mmap.PROT_READ) as m:
            for (text, how), needle in wanted.items():
                if m.find(needle) >= 0:
                    found.add(f"{text} {how} {file}")
    return found


def _files(folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        for file in folder.rglob("*") if folder.is_dir() else [folder]:
            try:
                if file.is_file() and file.stat().st_size:
                    yield file
            except FileNotFoundError:  # a server at work removes files
                continue


async def owner(url: str, *statements: str) -> str:
    """Say these things as the owner; what the last one answers."""
    connection = await asyncpg.connect(
        make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    )
    try:
        for statement in statements:
            said = await connection.fetchval(statement)
    finally:
        await connection.close()
    return str(said)
