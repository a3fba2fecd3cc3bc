"""The hub learns whom to believe: one person brings a trust list, another one agrees."""

from twinstile_simulator.agreeing import agree
from twinstile_simulator.client import Json, Service, Unreadable, mapping
from twinstile_simulator.hub import Hub


async def believe(service: Service, hub: Hub, version: int, listed: Json) -> None:
    """Put a list in force. Raises `Refused`, `Unreadable`."""
    path = f"/v1/trust-lists/{version}"
    told = await service.ask("PUT", path, hub.supervisor, listed)
    if told["refused"] or told["in_force"]:
        raise Unreadable("the service took a trust list otherwise than two persons would")
    await agree(service, hub, mapping(told["approval"]))
