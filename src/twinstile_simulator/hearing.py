"""A health department that reads the feed: what it hears of each case, step by step."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Final, cast

from twinstile_simulator.client import Json, Service, mapping, member
from twinstile_simulator.hub import Hub

Steps = Mapping[str, list[str]]
"""Of one case by type of change: its steps in their order."""

TOLD_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "case.opened": ("origin",),
    "case.moved": ("event",),
    "case.departed": ("vehicle",),
    "case.handover": ("answer", "via"),
    "case.origin-told": ("by",),
    "case.follow-up": ("by", "outcome"),
}
"""What tells one step from another, by type of change."""
SILENCE_S: Final = 5


async def enter(service: Service, hub: Hub) -> str:
    """Let a health department in; its access token."""
    body = {"name": "Demo health commission", "kind": "health"}
    entered = await service.ask("POST", "/v1/partners", hub.administrator, body)
    form = {
        "grant_type": "client_credentials",
        "client_id": member(entered, "client_id", str),
        "client_secret": member(entered, "client_secret", str),
    }
    given = await service.http.post("/v1/oauth/token", data=form)
    return member(cast("object", given.json()), "access_token", str)


async def listen(service: Service, token: str, steps: int) -> dict[str, Steps]:
    """What the feed tells of every case, by number, read until so many steps or silence."""
    heard: dict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    after, left = "", steps
    while True:
        query = f"types={','.join(TOLD_BY)}&limit=500&wait={SILENCE_S}{after}"
        page = await service.ask("GET", f"/v1/changes?{query}", token)
        changes = [mapping(one) for one in cast("list[object]", page["changes"])]
        for change in changes:
            kind, fields = member(change, "type", str), mapping(change["fields"])
            heard[member(fields, "case_no", str)][kind].append(word(kind, fields))
        left -= len(changes)
        after = f"&after={page['next']}"
        if not page["more"] and (left <= 0 or not changes):
            return {case_no: dict(steps) for case_no, steps in heard.items()}


def word(kind: str, told: Json) -> str:
    """A step as it is compared."""
    return " ".join(str(told.get(name)) for name in TOLD_BY[kind])
