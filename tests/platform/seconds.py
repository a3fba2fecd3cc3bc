"""Two persons for one deed: who asks, who else decides, and what the record says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from httpx2 import AsyncClient, Response
from hubs import PASSCODE, Hub
from people import Json

from twinstile.platform import approvals, clock
from twinstile.platform.approvals import Approval, Ask, Kind
from twinstile.platform.roles import Role


@dataclass(frozen=True, slots=True)
class Somebody:
    """Whoever signed in, on whatever device."""

    operator_id: UUID
    login: str
    token: str

    def client(self, hub: Hub) -> AsyncClient:
        return hub.service.client(self.token)


async def ask(
    hub: Hub, token: str, kind: Kind, at: datetime | None = None, **given: object
) -> Approval:
    """Ask as a room does: with what a client sent, and who it is."""
    asked: dict[str, object] = {
        "approval_id": uuid4(),
        "subject_id": uuid4(),
        "content": {},
        "reason": "as agreed by telephone",
        **given,
    }
    who = await hub.house.gatekeeper.principal(token)
    async with hub.house.database.transaction() as tx:
        return await approvals.ask(tx, who, kind, Ask(**asked), at or clock.now())


async def decide(
    client: AsyncClient,
    approval_id: object,
    verdict: str = "GRANTED",
    reason: str | None = None,
) -> Response:
    body = {"verdict": verdict, **({"reason": reason} if reason else {})}
    return await client.put(f"/v1/approvals/{approval_id}/decision", json=body)


async def device(hub: Hub, by: AsyncClient) -> str:
    """One more device, let in by somebody; its token."""
    made = await by.post("/v1/enrolments", json={})
    let_in = await hub.service.client().post(
        "/v1/devices:enrol", json={"code": made.json()["code"], "name": "one more"}
    )
    return str(let_in.json()["token"])


async def operator(by: AsyncClient, *roles: Role) -> str:
    """One more operator, entered by somebody; the login."""
    login = f"p{uuid4().hex[:12]}"
    body = {"login": login, "display_name": login, "roles": roles, "passcode": PASSCODE}
    entered = await by.post("/v1/operators", json=body)
    assert entered.status_code == 201, entered.text
    return login


async def sign_in(hub: Hub, device_token: str, login: str) -> Somebody:
    client = hub.service.client(device_token)
    shift = await client.post("/v1/shifts", json={"login": login, "passcode": PASSCODE})
    assert shift.status_code == 201, shift.text
    token = shift.json()["token"]
    me = (await hub.service.client(token).get("/v1/me")).json()
    return Somebody(UUID(me["operator_id"]), login, token)


async def record(hub: Hub, subject_id: object) -> Sequence[tuple[str, Mapping[str, object]]]:
    """What happened to it, in order: kinds and bodies."""
    async with hub.house.database.reading() as tx:
        rows = await tx.raw.fetch(
            "SELECT kind, body FROM event WHERE hub_id = $1 AND subject_id = $2"
            " ORDER BY at, event_id",
            hub.hub_id,
            UUID(str(subject_id)),
        )
    return [(kind, body) for kind, body in rows]


async def told(hub: Hub, subject_id: object) -> list[str]:
    return [kind for kind, _ in await record(hub, subject_id)]


async def waiting(client: AsyncClient, **query: object) -> Json:
    answer = await client.get("/v1/approvals", params=query)
    assert answer.status_code == 200, answer.text
    page: Json = answer.json()
    return page
