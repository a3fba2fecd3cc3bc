"""The shipped service under cProfile, in one process (`gate --profile` starts it).

    python benchmarks/_profile.py FOLDER OUTPUT

Serves as `twinstile serve` does until standard input ends, then writes the statistics.
"""

import asyncio
import cProfile
import json
import sys
from pathlib import Path

import _hub
import uvloop

from twinstile.cli import serving
from twinstile.operations import startup
from twinstile.platform.ops import observability


async def serve(folder: Path) -> None:
    settings = _hub.settings_of(folder)
    with startup.server(settings) as place:
        socket = serving.listen("127.0.0.1", 0)
        async with serving.serving(settings, place, socket) as running:
            print(json.dumps({"url": running.addresses[0]}), flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            profile.enable()
            await asyncio.to_thread(sys.stdin.readline)
            profile.disable()


if __name__ == "__main__":
    observability.configure_logging()
    profile = cProfile.Profile()
    uvloop.run(serve(Path(sys.argv[1])))
    profile.dump_stats(sys.argv[2])
