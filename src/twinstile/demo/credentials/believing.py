"""The hub learns whom to believe: one person brings a trust list, another one agrees."""

from twinstile.demo.agreeing import agree
from twinstile.demo.client import Json, Service, Unreadable, mapping
from twinstile.demo.hub import Hub


async def believe(service: Service, hub: Hub, version: int, listed: Json) -> None:
    """Put a list in force. Raises `Refused`, `Unreadable`."""
    path = f"/v1/trust-lists/{version}"
    told = await service.ask("PUT", path, hub.supervisor, listed)
    if told["refused"] or told["in_force"]:
        raise Unreadable("the service took a trust list otherwise than two persons would")
    await agree(service, hub, mapping(told["approval"]))
