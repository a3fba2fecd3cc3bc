"""Stand one application on a socket, in one process or in several that share it."""

import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable

import uvloop

from twinstile import serving

Serve = Callable[[socket.socket], Awaitable[None]]
"""Serves on the socket until the process gets SIGTERM."""


def stand(serve: Serve, workers: int) -> None:
    """Tell the URL on standard output and serve until SIGTERM, in this process and others."""
    listening = serving.listen("127.0.0.1", 0)
    print(json.dumps({"url": serving.addresses(listening)[0]}), flush=True)
    others = []
    for _ in range(workers - 1):
        pid = os.fork()
        if not pid:
            uvloop.run(serve(listening))
            sys.exit()
        others.append(pid)
    uvloop.run(serve(listening))
    for pid in others:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
