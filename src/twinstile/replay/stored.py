"""Checks as they were stored, read again: what each brought, and the rules it was told of."""

from typing import cast

import orjson

from twinstile.platform.http.field_types import EARLIEST
from twinstile.screening import claim_bodies, readings
from twinstile.screening.claim_bodies import ClaimFields
from twinstile.screening.decision_context import StoredContext
from twinstile.screening.evidence import Brought
from twinstile.screening.types import TemperatureMethod, TemperatureReading


def brought(evidence: str) -> tuple[Brought, StoredContext]:
    """What a check brought, of its stored evidence, and what was known around it.

    Reminders and services are not read again: they count for completeness, no rule reads them.
    """
    stored = cast("dict[str, dict[str, object]]", orjson.loads(evidence))
    thermal = stored.get("temperature")
    reading = None
    if thermal is not None:
        error = cast("float | None", thermal.get("error"))
        reading = TemperatureReading(
            cast("int", thermal["tenths"]),
            TemperatureMethod(str(thermal["method"])),
            EARLIEST,
            readings.band(error),
        )
    credential, identity = stored.get("credential"), stored.get("identity")
    emergency = stored.get("emergency")
    claimed = {name: stored[name] for name in claim_bodies.MEMBERS if name in stored}
    return (
        Brought(
            reading,
            str(credential["status"]) if credential else None,
            str(identity["result"]) if identity else None,
            bool(stored.get("illness")),
            frozenset(),
            frozenset(),
            claim_bodies.claims(ClaimFields.model_validate(claimed)) if claimed else None,
            str(emergency) if emergency else None,
        ),
        cast("StoredContext", cast("object", stored.get("around", {}))),
    )


def rule_ids(reasons: str) -> tuple[str, ...]:
    """The rules among stored reasons."""
    return tuple(reason["rule_id"] for reason in orjson.loads(reasons))
