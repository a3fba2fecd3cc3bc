"""The command line as an operator uses it: another process, with no settings of ours."""

import os
import subprocess
import sys
from pathlib import Path

import twinstile

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("TWINSTILE_")},
    "PYTHONPATH": str(Path(twinstile.__file__).parents[1]),
}


def command(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run `twinstile` in a folder; how it ended."""
    return subprocess.run(
        [sys.executable, "-m", "twinstile", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=ENVIRONMENT,
    )
