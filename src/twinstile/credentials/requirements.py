"""Entry rules of countries as what a credential has to meet."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast
from zoneinfo import ZoneInfo

from twinstile.credentials.types import Scheme, Unmet
from twinstile.policy.certlogic import Json
from twinstile.policy.entry.documents import EntryPolicy


def of(policies: Sequence[EntryPolicy], zone: ZoneInfo) -> Unmet:
    """What the rules in force on the day of a moment, by the hub's clock, find wanting.

    They speak of EU certificates, so of other schemes nothing is known; and nothing is known
    where none of them is in force.
    """

    def unmet(
        scheme: Scheme, body: Mapping[str, object], at: datetime
    ) -> tuple[str, ...] | None:
        held = [policy for policy in policies if policy.holds(at.astimezone(zone).date())]
        if scheme is not Scheme.EU_DCC or not held:
            return None
        payload = cast("Json", body)
        return tuple(rule.rule_id for policy in held for rule in policy.unmet(payload, at))

    return unmet
