"""A correction that comes after the check: what was decided stays, and a person hears of it."""

from datetime import datetime

from twinstile.platform.crypto import KeyFiles
from twinstile.platform.db import Transaction
from twinstile.screening.declared import keeping
from twinstile.screening.declared.codes import Receipt
from twinstile.screening.declared.types import Answers, Head
from twinstile.screening.flow import alerts
from twinstile.screening.flow.alerts import Raised
from twinstile.screening.types import AlertKind


async def correct(
    tx: Transaction,
    keys: KeyFiles,
    hub_id: str,
    receipt: Receipt,
    revision: int,
    said: Answers,
    at: datetime,
) -> Head:
    """Say it anew, see `keeping.correct`.

    Where it has counted at a check and now asks for a second look, somebody is alerted.
    """
    done = await keeping.correct(tx, keys, hub_id, receipt, revision, said, at)
    if done.worse and done.head.screening_id is not None:
        facts: dict[str, object] = {"cause": "DECLARATION_CORRECTED"}
        raised = Raised(AlertKind.RETROSPECTIVE, done.head.screening_id, facts)
        await alerts.raise_all(tx, hub_id, [raised], at)
    return done.head
