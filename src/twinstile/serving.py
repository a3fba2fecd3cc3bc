"""The HTTP server around the application: the socket and the signals are ours."""

import socket
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

KEEP_ALIVE_S = 75
"""Longer than the pause between two travellers, so that a tablet keeps its connection."""
DRAIN_S = 10


class PortTaken(Exception):
    """The address cannot be listened on; the message says why."""


class Server(uvicorn.Server):
    """uvicorn, except that signals are the caller's: it would raise them again when it is done.

    A signal raised again ends the process before the database server and its lock are released.
    """

    @override
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def server(app: FastAPI) -> Server:
    """A server for the application. Set `should_exit` to end it; it drains for `DRAIN_S`."""
    return Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing here depends on the caller's address
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=DRAIN_S,
        )
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises `PortTaken`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise PortTaken(f"{host} port {port}: {error.strerror}") from error
