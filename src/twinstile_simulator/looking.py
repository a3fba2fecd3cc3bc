"""Where whoever runs the demonstration may look on, and lend a hand in a browser."""

from rich.console import Console

from twinstile_simulator.client import Service
from twinstile_simulator.hub import Visitor

PAGES = {
    "/gate/": "the gate tablet",
    "/desk": "the service desk",
    "/traveller": "a traveller, before arrival",
}


async def invite(service: Service, visitor: Visitor, base_url: str, console: Console) -> None:
    """Tell the addresses of the pages there are, and with what to get in once."""
    account = visitor.account
    console.print(
        f"look on in a browser of this machine: {base_url}/enter#{visitor.code}\n"
        f"  lets it in at lane {visitor.lane_id}; then sign in as {account.login}, passcode "
        f"{account.passcode}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    for path, name in PAGES.items():
        answer = await service.http.get(path)
        if answer.status_code != 404:
            console.print(f"  {base_url}{path}  {name}", markup=False, soft_wrap=True)
