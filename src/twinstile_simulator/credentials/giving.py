"""Everybody who shows a code is given one before the day begins."""

import secrets
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from twinstile_simulator import guests
from twinstile_simulator.credentials import providers
from twinstile_simulator.credentials.issuers import SCHEMES, Issuers
from twinstile_simulator.credentials.providers import FOREIGN, OFFICES, Providers
from twinstile_simulator.guests import Guest, Visit
from twinstile_simulator.showing import Holder


@dataclass(frozen=True, slots=True)
class Givers:
    """Who gives codes away."""

    providers: Providers
    issuers: Issuers = field(default_factory=Issuers)

    def issue(self, visits: Iterable[Visit]) -> dict[str, str]:
        """The texts of all codes, by the guests' keys."""
        everybody = guests.everybody(tuple(visits))
        return {one.key: self._text(one) for one in everybody if one.shows}

    def _text(self, guest: Guest) -> str:
        shown, papers = guest.shows, guest.document
        if shown is None or papers is None:
            raise ValueError("a guest without a code or papers")
        family, comma, given = guest.name.partition(", ")
        family, given = (family, given) if comma else (family[:1], family[1:])
        holder = Holder(family, given, guest.born.isoformat(), papers.number)
        if shown.what in SCHEMES:
            return self.issuers.issue(shown.what, shown.how, holder)
        if shown.what in OFFICES:
            return self.providers.issue(shown.what, shown.how, holder)
        return FOREIGN + secrets.token_hex(12)


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[Givers]:
    """Have them for as long as the block; what the hub is told of them is in `folder`."""
    async with providers.opened(folder) as there:
        yield Givers(there)
