"""The gate tablet's files: an offline-first page of ES modules, without a build step.

The page decides by itself (`files/gate/decide.js`). Words and tables that the service has are
not written a second time: `tables.js` is made of them.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from twinstile.arrivals.types import ALERTS
from twinstile.pages import assets
from twinstile.platform.errors import NotFound
from twinstile.policy.areas import Level, Relation
from twinstile.screening import claims, machine, rules
from twinstile.screening.claim_words import Tristate
from twinstile.screening.types import Outcome, Reason, ScreeningState, Verdict

router = APIRouter(prefix="/gate", include_in_schema=False)

TYPES: Final = {
    "js": "text/javascript",
    "css": "text/css",
    "json": "application/json",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}
FILES: Final = {
    file.name: file
    for file in (assets.OWN / "gate").iterdir()
    if file.name.rpartition(".")[2] in TYPES
}


def tables() -> Mapping[str, object]:
    """What the tablet must know of the service's words, by the name it is exported under."""
    return {
        "OUTCOMES": list(Outcome),
        "VERDICTS": list(Verdict),
        "CONCLUDED": {
            state: {outcome: _concluded(state, outcome) for outcome in Outcome}
            for state in ScreeningState
        },
        "MARKED": {mark: _reason(why) for mark, why in rules.MARKED.items()},
        "ALERTS": sorted(ALERTS),
        "RED": sorted(rules.RED),
        "EMERGENCY": _reason(rules.CARE_FIRST),
        "RELEASE_FORBIDDEN": _reason(rules.RELEASE_FORBIDDEN),
        "LEVELS": list(Level),
        "RELATIONS": list(Relation),
        "TRISTATES": list(Tristate),
        "NEVER": claims.NEVER,
    }


def _concluded(state: ScreeningState, outcome: Outcome) -> tuple[str, str]:
    """What the lane shows, and the state a screening is in then."""
    decision = machine.conclude(state, outcome, (), "")
    return decision.verdict, decision.state


def _reason(reason: Reason) -> Mapping[str, str]:
    return {"rule_id": reason.rule_id, "code": reason.code}


@cache
def _tables_script() -> bytes:
    lines = (f"export const {name} = {json.dumps(held)};" for name, held in tables().items())
    return "\n".join(["// Made by the service of its own tables.", *lines, ""]).encode()


@router.get("/{name}")
async def read_file(name: str) -> Response:
    """A file of the tablet, by its name."""
    if name == "tables.js":
        return assets.content(_tables_script(), "text/javascript")
    found = FILES.get(name)
    if found is None:
        raise NotFound("There is no such file.")
    return assets.asset(found, TYPES[name.rpartition(".")[2]])
