"""The second of two persons: tried first by the one who asked, who must be refused."""

from twinstile_simulator.client import Json, Refused, Service, Unreadable, mapping, member
from twinstile_simulator.hub import Hub

_GRANTED = {"verdict": "GRANTED"}


async def agree(service: Service, hub: Hub, waiting: Json) -> None:
    """Let the commander agree to what the supervisor asked for.

    Raises `Refused`, also if one person could have done it alone; `Unreadable`.
    """
    decision = f"/v1/approvals/{member(waiting, 'approval_id', str)}/decision"
    try:
        await service.ask("PUT", decision, hub.supervisor, _GRANTED)
    except Refused as error:
        if error.status != 403:
            raise
    else:
        raise Refused("PUT", decision, 200, "one person decided alone")
    await service.ask("PUT", decision, hub.commander, _GRANTED)


async def publish_trust_list(service: Service, hub: Hub, version: int, listed: Json) -> None:
    """Put a trust list in force: one person brings it, another one agrees.

    Raises `Refused`, `Unreadable`.
    """
    path = f"/v1/trust-lists/{version}"
    answer = await service.ask("PUT", path, hub.supervisor, listed)
    if answer["refused"] or answer["in_force"]:
        raise Unreadable("the service took a trust list otherwise than two persons would")
    await agree(service, hub, mapping(answer["approval"]))
