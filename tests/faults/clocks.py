"""The service with a clock that can be set: `python clocks.py FILE serve --port 0 --json`.

The file holds the seconds its clock is ahead and is read each time somebody asks for the time.
The monotonic clock goes on as it does when an administrator, or a bad time server, steps the
wall clock of a machine.
"""

import sys
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from twinstile.cli import main
from twinstile.platform.ops import clock


def program(file: Path) -> tuple[str, str]:
    """What a station runs to have that clock."""
    return str(Path(__file__).resolve()), str(file)


if __name__ == "__main__":
    _, setting, *arguments = sys.argv
    honest = clock.now

    def now() -> datetime:
        """The time of day, as it was set."""
        ahead = 0.0
        with suppress(OSError, ValueError):
            ahead = float(Path(setting).read_text())
        return honest() + timedelta(seconds=ahead)

    clock.now = now
    sys.argv = ["twinstile", *arguments]
    main.main()
