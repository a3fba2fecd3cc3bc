"""EMPTY: the shipped application, its recording route replaced by one that stores nothing.

    python benchmarks/_empty.py FOLDER DATABASE_URL WORKERS

Everything around the route is the shipped one: HTTP server and guard, middleware, router and
the route's place in it, token look-up and scopes, reading of the body, its model, the reading
of the document (`intake.check`) and the model of the answer. The decision is one made
beforehand, so whatever deciding costs counts against the service and not against this.
"""

import asyncio
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated
from uuid import UUID

import _hub
from fastapi import APIRouter

from twinstile import opening, serving
from twinstile.app import create_app
from twinstile.opening import Place
from twinstile.platform import clock, observe
from twinstile.platform.auth import Principal, Scope
from twinstile.platform.web import GatedRoute, Home, caller
from twinstile.policy import documents
from twinstile.screening import answers, intake, machine, rules
from twinstile.screening import api as screening
from twinstile.screening.api import Language
from twinstile.screening.bodies import CheckAnswer, CheckBody, FactStatus
from twinstile.screening.intake import Receiver
from twinstile.screening.passages import Recorded
from twinstile.screening.types import Completeness

POLICY = documents.compile_document(documents.pack("cn-hub"))
DECISION = rules.decide(machine.START, rules.Evidence(), prior_hold=False, policy=POLICY)
COMPLETE = Completeness(2, 2, 2, complete=True)

router = APIRouter(prefix="/v1", route_class=GatedRoute)


@router.put("/checks/{check_id}", status_code=201)
async def put_check(
    check_id: UUID,
    body: CheckBody,
    home: Home,
    who: Annotated[Principal, caller(Scope.CHECKS_WRITE)],
    language: Language = "en",
) -> CheckAnswer:
    receiver = Receiver(
        who,
        home.keys.of(who.hub_id),
        home.settings.zone,
        home.settings.synthetic_id_prefixes,
        clock.now(),
    )
    check = intake.check(body, check_id, body.counter, body.sent_at, receiver)
    done = Recorded(
        check.id, FactStatus.STORED, False, check.id, DECISION, COMPLETE, None, None, POLICY
    )
    return answers.check(done, language, who.hub_id)


def replace_route() -> None:
    """Put ours where the shipped one stands, so that the router searches as long for it."""
    routes = screening.router.routes
    (place,) = (n for n, route in enumerate(routes) if route.name == put_check.__name__)
    routes[place] = router.routes[0]


async def serve(listening: socket.socket) -> None:
    folder, url = Path(sys.argv[1]), sys.argv[2]
    house = opening.open_house(_hub.settings_of(folder), Place(url, "", url, embedded=True))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with serving.running(create_app(house), listening):
        await stop.wait()


if __name__ == "__main__":
    import _front

    observe.configure_logging()
    replace_route()
    _front.stand(serve, int(sys.argv[3]))
