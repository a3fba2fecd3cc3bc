"""Where a profile's time went: by part of the house, then by function."""

import pstats
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

Function = tuple[str, int, str]

PARTS = (
    ("screening/intake.py", "intake"),
    ("identity/documents.py", "intake"),
    ("identity/forms.py", "intake"),
    ("identity/mrz.py", "intake"),
    ("identity/text.py", "intake"),
    ("identity/names.py", "intake"),
    ("screening/answers.py", "answer"),
    ("platform/http/json_body.py", "body"),
    ("platform/http/field_types.py", "body"),
    ("screening/bodies.py", "body"),
    ("/json/", "body"),
    ("platform/security/auth.py", "authentication"),
    ("platform/http/routes.py", "edge"),
    ("platform/http/guard.py", "edge"),
    ("platform/ops/observability.py", "edge"),
    ("prometheus_client", "edge"),
    ("platform/db/database.py", "sql"),
    ("asyncpg", "sql"),
    ("sqlalchemy", "sql"),
    ("twinstile", "recording"),
    ("fastapi", "framework"),
    ("starlette", "framework"),
    ("pydantic", "body"),
    ("uvicorn", "http"),
    ("httptools", "http"),
    ("uvloop", "loop"),
    ("asyncio", "loop"),
    ("contextlib", "framework"),
)
"""The first that is part of a file's path names its part; what fits none is `other`."""


def part_of(function: Function) -> str:
    return next((part for piece, part in PARTS if piece in function[0]), "other")


def report(path: Path, requests: int, top: int = 40) -> str:
    """Microseconds a request. Functions written in C count for whoever called them.

    The profiler slows Python down two- or threefold, calls more than the rest: read shares.
    """
    stats: Mapping[Function, tuple] = pstats.Stats(str(path)).stats  # pyright: ignore[reportAttributeAccessIssue]
    own: defaultdict[Function, float] = defaultdict(float)
    for function, (_, _, total, _, callers) in stats.items():
        if function[0] != "~" or not callers:
            own[function] += total
            continue
        for caller, (_, _, part, _) in callers.items():
            own[caller] += part
    parts: defaultdict[str, float] = defaultdict(float)
    for function, seconds in own.items():
        parts[part_of(function)] += seconds
    whole = sum(own.values())
    lines = [
        f"{requests} requests, {1e6 * whole / requests:.0f} us each under the profiler",
        "",
    ]
    lines += [
        f"{1e6 * seconds / requests:8.1f} us {seconds / whole:6.1%}  {part}"
        for part, seconds in sorted(parts.items(), key=lambda item: -item[1])
    ]
    lines += ["", "own time, built-in functions called included:"]
    lines += [
        f"{1e6 * seconds / requests:8.1f} us  {_name(function)}"
        for function, seconds in sorted(own.items(), key=lambda item: -item[1])[:top]
    ]
    lines += ["", "with everything called (calls a request):"]
    ranked = sorted(stats.items(), key=lambda item: -item[1][3])[:top]
    lines += [
        f"{1e6 * cumulative / requests:8.1f} us  {_name(function)}  ({calls / requests:.1f})"
        for function, (_, calls, _, cumulative, _) in ranked
    ]
    return "\n".join(lines)


def _name(function: Function) -> str:
    file, line, name = function
    return f"{'/'.join(Path(file).parts[-2:])}:{line} {name}" if file != "~" else name
