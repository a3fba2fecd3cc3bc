"""EMPTY: the shipped application with a committer that commits nothing.

    python benchmarks/_empty.py FOLDER DATABASE_URL WORKERS

Everything else is the shipped one, the route included: HTTP server and guard, middleware,
router, token look-up and scopes, reading of the body, its model, the reading of the document
(`intake.check`), the model of the answer. The decision is one made beforehand, so whatever
deciding costs counts against the service and not against this.
"""

import asyncio
import signal
import socket
import sys
from pathlib import Path

import _front
import _hub

from twinstile.app import create_app
from twinstile.cli import serving
from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ops import clock, observability
from twinstile.policy import documents
from twinstile.screening import machine, rules
from twinstile.screening.bodies import FactStatus
from twinstile.screening.decision_context import DecisionContext
from twinstile.screening.evidence import Evidence
from twinstile.screening.facts import GateCheck
from twinstile.screening.intake import Receiver
from twinstile.screening.types import Completeness
from twinstile.screening.visit import RecordedCheck

POLICY = documents.compile_document(documents.pack("cn-hub"))
NOW = clock.now()
AROUND = DecisionContext(NOW, NOW.date())
DECISION = rules.decide(machine.START, Evidence(), AROUND, POLICY)
COMPLETE = Completeness(2, 2, 2, complete=True)


class Nothing:
    """Stands where the committer does."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def record(self, _: Receiver, check: GateCheck) -> RecordedCheck:
        return RecordedCheck(
            check.id,
            FactStatus.STORED,
            False,
            check.id,
            DECISION,
            COMPLETE,
            None,
            None,
            POLICY,
            (),
            None,
        )


async def serve(listening: socket.socket) -> None:
    folder, url = Path(sys.argv[1]), sys.argv[2]
    runtime = startup.open_runtime(
        _hub.settings_of(folder), DatabaseTarget(url, "", url, embedded=True)
    )
    app = create_app(runtime)
    app.state.committer = Nothing(runtime)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with serving.running(app, listening):
        await stop.wait()


if __name__ == "__main__":
    observability.configure_logging()
    _front.stand(serve, int(sys.argv[3]))
