"""The command line as an operator uses it: another process, with no settings of ours.

Each command is a process of its own, forked from one that has imported everything (`warm`).
How the command line starts from nothing is seen in `test_cli` and by every service of
`faults/stations`.
"""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import twinstile

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("TWINSTILE_")},
    "PYTHONPATH": str(Path(twinstile.__file__).parents[1]),
}


@cache
def _warm() -> subprocess.Popen[str]:
    running = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("warm.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    atexit.register(running.communicate)  # which closes its input, and so ends it
    return running


def command(
    folder: Path, *words: object, environment: Mapping[str, str] = ENVIRONMENT
) -> subprocess.CompletedProcess[str]:
    """Run `twinstile` in a folder; how it ended."""
    warm, arguments = _warm(), [str(word) for word in words]
    assert warm.stdin is not None
    assert warm.stdout is not None
    with tempfile.TemporaryDirectory() as made:
        out, err = Path(made, "out"), Path(made, "err")
        out.touch()
        err.touch()
        order = {
            "words": arguments,
            "folder": str(folder),
            "environment": dict(environment),
            "out": str(out),
            "err": str(err),
        }
        warm.stdin.write(json.dumps(order) + "\n")
        warm.stdin.flush()
        code = int(warm.stdout.readline())
        return subprocess.CompletedProcess(arguments, code, out.read_text(), err.read_text())
