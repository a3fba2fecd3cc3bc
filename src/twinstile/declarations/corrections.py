"""A correction that comes after the check: what was decided stays, and a person hears of it."""

from datetime import datetime

from twinstile.declarations import store
from twinstile.declarations.codes import Receipt
from twinstile.declarations.types import Answers, DeclarationSummary
from twinstile.platform.db.database import Transaction
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.screening import alerts
from twinstile.screening.alerts import Raised
from twinstile.screening.types import AlertKind


async def correct(
    tx: Transaction,
    keys: KeyFiles,
    hub_id: str,
    receipt: Receipt,
    revision: int,
    answers: Answers,
    at: datetime,
) -> DeclarationSummary:
    """Say it anew, see `keeping.correct`.

    Where it has counted at a check and now asks for a second look, somebody is alerted.
    """
    done = await store.correct(tx, keys, hub_id, receipt, revision, answers, at)
    if done.worse and done.head.screening_id is not None:
        facts: dict[str, object] = {"cause": "DECLARATION_CORRECTED"}
        raised = Raised(AlertKind.RETROSPECTIVE, done.head.screening_id, facts)
        await alerts.raise_all(tx, hub_id, [raised], at)
    return done.head
