"""What the figures were made on."""

import os
import platform
import statistics
import time
from pathlib import Path

import asyncpg


async def facts(folder: Path, url: str) -> dict[str, object]:
    """Processors, versions, and how fast the disk of that folder keeps what it is given."""
    connection = await asyncpg.connect(url)
    try:
        version = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    return {
        "processors": os.cpu_count(),
        "processor": _first(Path("/proc/cpuinfo"), "model name"),
        "python": platform.python_version(),
        "postgresql": version,
        "kernel": platform.release(),
        "fdatasync_us": fdatasync_us(folder),
    }


def fdatasync_us(folder: Path, times: int = 200) -> int:
    """Microseconds, the median, that the disk takes to keep 8 kB: what a commit waits for."""
    waits = []
    with (folder / "fdatasync").open("wb", buffering=0) as file:
        for _ in range(times):
            file.write(b"\0" * 8192)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            waits.append(time.perf_counter() - began)
    return round(1e6 * statistics.median(waits))


def _first(path: Path, name: str) -> str | None:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None
