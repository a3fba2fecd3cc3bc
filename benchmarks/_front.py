"""Stand one application on a socket, in one process or in several that share it."""

import json
import os
import signal
import socket
from collections.abc import Awaitable, Callable

import uvloop

from twinstile.cli import serving

Serve = Callable[[socket.socket], Awaitable[None]]
"""Serves on the socket until its process gets SIGTERM."""


def stand(serve: Serve, workers: int) -> None:
    """Tell the URL on standard output and serve from so many processes until SIGTERM."""
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    listening = serving.listen("127.0.0.1", 0)
    pids = [_worker(serve, listening, signals) for _ in range(workers)]
    print(json.dumps({"url": serving.addresses(listening)[0]}), flush=True)
    signal.sigwait(signals)
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    for pid in pids:
        os.waitpid(pid, 0)


def _worker(serve: Serve, listening: socket.socket, signals: set[signal.Signals]) -> int:
    pid = os.fork()
    if pid:
        return pid
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    uvloop.run(serve(listening))
    os._exit(0)
