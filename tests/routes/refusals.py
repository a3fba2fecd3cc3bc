"""What every refusal has in common, and what it leaves behind: nothing."""

from hostile import CANARY, NUMBER
from httpx2 import Response
from hubs import Hub

from twinstile.platform.db.tables import Base
from twinstile.platform.ledger.chain import EPOCH_BEGAN

MEMBERS = {"type", "title", "status", "detail", "trace_id", "retryable", "stored", "errors"}


def refused(answer: Response, status: int, slug: str) -> list[dict[str, str]]:
    """The faults a refusal names; it is a whole problem document and repeats nothing sent."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert set(told) == MEMBERS
    assert (told["type"], told["status"]) == (f"/problems/{slug}", status)
    assert told["trace_id"] == answer.headers["trace-id"] != ""
    assert (told["retryable"], told["stored"]) == (False, False)
    unsaid(f"{answer.text} {answer.headers}")
    faults: list[dict[str, str]] = told["errors"]
    return faults


def unsaid(text: str) -> None:
    """Fail if the text holds what nobody but the sender should see."""
    assert CANARY.lower() not in text.lower()
    assert NUMBER not in text


async def footprint(hub: Hub) -> dict[str, int]:
    """How many rows of each table belong to the hub; what the sealer writes beside it is not
    counted, for it may come late."""
    tables = [
        name
        for name, table in Base.metadata.tables.items()
        if "hub_id" in table.c and not name.startswith("ledger")
    ]
    counts = " UNION ALL ".join(
        f"""SELECT '{name}', count(*) FROM "{name}" WHERE hub_id = $1"""
        + (" AND kind <> $2" if name == "event" else "")
        for name in tables
    )
    async with hub.runtime.database.reading() as tx:
        return dict(map(tuple, await tx.raw.fetch(counts, hub.hub_id, EPOCH_BEGAN)))
