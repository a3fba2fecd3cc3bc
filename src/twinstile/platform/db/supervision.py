"""Keep the embedded server running: a service without its database is no service.

Its processes can be killed: by a machine short of memory, by a mistake. A thread of its own
looks whether the server lives, and starts it again when it does not; clients meet the same
socket. Whatever committed is there again: PostgreSQL recovers from its log.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from twinstile.platform.db import embedded_server
from twinstile.platform.db.embedded_server import EmbeddedError, EmbeddedServer
from twinstile.platform.ops import observability

LOOK_S = 0.1
"""How long its end can go unnoticed."""
LASTING_S = 5.0
"""A server that ran this long was well; one that ends sooner has not got over its trouble."""
LONGEST_PAUSE_S = 2.0
GIVE_UP_S = 60.0
"""Of trouble without a lasting server. Whoever supervises the service may know more."""


@contextmanager
def keeping(
    data_root: Path,
    *,
    on_wait: Callable[[float], None] | None = None,
    on_lost: Callable[[], None],
    give_up_s: float = GIVE_UP_S,
) -> Generator[EmbeddedServer]:
    """Have the server of `data_root` for the length of the block, started again if it ends.

    `on_lost` is called, from another thread, when that has failed for `give_up_s` seconds: the
    block should come to its end, and then `EmbeddedError` tells why. Raises `EmbeddedError`.
    """
    keeper = _Keeper(
        data_root, embedded_server.start(data_root, on_wait=on_wait), on_lost, give_up_s
    )
    try:
        yield keeper.server
    finally:
        keeper.stop()
    if keeper.lost is not None:
        raise keeper.lost


class _Keeper:
    def __init__(
        self,
        data_root: Path,
        server: EmbeddedServer,
        on_lost: Callable[[], None],
        give_up_s: float,
    ) -> None:
        self.server = server
        self.lost: EmbeddedError | None = None
        self._data_root = data_root
        self._on_lost = on_lost
        self._give_up_s = give_up_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="postgresql", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no longer, then end the server."""
        self._stopping.set()
        self._thread.join()
        self.server.stop()

    def _run(self) -> None:
        try:
            self._keep()
        finally:
            if not self._stopping.is_set():
                self.lost = self.lost or EmbeddedError("PostgreSQL is no longer looked after")
                self._on_lost()

    def _keep(self) -> None:
        trouble: float | None = None
        while (lasted := self._watch()) is not None:
            observability.log.error("PostgreSQL ended", lasted_s=round(lasted, 1))
            if trouble is None or lasted >= LASTING_S:
                trouble = time.monotonic()
            if not self._restart(trouble):
                return

    def _watch(self) -> float | None:
        """Wait for the server's end: how long it ran, or None when we are told to stop."""
        began = time.monotonic()
        while not self._stopping.wait(LOOK_S):
            if not self.server.lives():
                return time.monotonic() - began
        return None

    def _restart(self, trouble: float) -> bool:
        """Start the server, with longer pauses the longer there has been trouble."""
        why = "it ended again and again"
        while (suffered := time.monotonic() - trouble) < self._give_up_s:
            if self._stopping.wait(min(LONGEST_PAUSE_S, suffered / 2)):
                return False
            try:
                self.server = embedded_server.begin(self._data_root, on_wait=self._on_wait)
            except EmbeddedError as error:
                why = str(error)
                observability.log.error("PostgreSQL does not start", reason=why)
            else:
                observability.log.warning(
                    "PostgreSQL runs again", after_s=round(time.monotonic() - trouble, 2)
                )
                return True
        self.lost = EmbeddedError(f"PostgreSQL could not be kept running: {why}")
        return False

    def _on_wait(self, _: float) -> None:
        """A recovery can take minutes; being told to stop ends the wait."""
        if self._stopping.is_set():
            raise EmbeddedError("stopped while PostgreSQL was starting")
