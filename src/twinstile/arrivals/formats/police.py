"""Alerts and the results of identity checks, as police systems send them.

An alert without legal basis, health reason and end is refused: this service looks for nobody
for another reason. A check that finds a document invalid is an alert for a day, a good one
takes it back, and one that found nothing says nothing.
Options: those of `rows.read` and `origins.version`; `authority`, where rows name none;
`legal_basis` and `hours` of the results of checks, whose rows seldom tell any.
"""

import datetime as dt
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from twinstile.arrivals.formats import persons, rows
from twinstile.arrivals.formats.persons import Page, Refused
from twinstile.arrivals.formats.reasons import Reason
from twinstile.arrivals.formats.rows import Columns, Row
from twinstile.arrivals.records import (
    LONGEST_VALID,
    AlertAction,
    AlertKind,
    Delivery,
    IdentityAlert,
    Op,
    Reading,
    Record,
    Reject,
    Unknown,
)


class Result(StrEnum):
    """What a check of an identity found."""

    GOOD = "GOOD"
    BAD = "BAD"
    NOTHING = "NOTHING"


COLUMNS: Final = Columns(rows.column_names("document", "any", "person", "police"))
_KINDS: Final = rows.words_of(AlertKind, "police.reason")
_ACTIONS: Final = rows.words_of(AlertAction, "police.action")
_RESULTS: Final = rows.words_of(Result, "police.result")
_CHECK: Final = "check"
_A_DAY: Final = dt.timedelta(days=1)
"""How long the result of a check holds, unless it or the feed says otherwise."""


def read(delivery: Delivery, reading: Reading) -> Iterator[Record | Unknown | Reject]:
    """One alert a row, of a person's document."""
    return persons.read(delivery, reading, COLUMNS, _said)


def _said(row: Row, page: Page) -> IdentityAlert | None:
    is_check = row.get("result") and not row.get("reason")
    return _check(row, page) if is_check else _alert(row, page)


def _alert(row: Row, page: Page) -> IdentityAlert:
    kind = _KINDS.get(rows.fold(row.get("reason") or ""))
    if persons.is_withdrawn(row, "op", "status"):
        return _taken_back(row, page, kind or "alert")
    if kind is None:
        raise Refused(row.reject(Reason.NO_HEALTH_REASON, "reason"))
    basis = persons.text(row, "legal_basis", None, Reason.NO_LEGAL_BASIS)
    since, doubts = persons.began(row, page)
    until = persons.ends(row, page, since)
    if until is None:
        raise Refused(row.reject(Reason.NO_END, "to"))
    return _standing(row, page, kind, basis, (since, until), doubts)


def _check(row: Row, page: Page) -> IdentityAlert | None:
    found = _RESULTS.get(rows.fold(row.get("result") or ""))
    if found is Result.GOOD or persons.is_withdrawn(row, "op"):
        return _taken_back(row, page, _CHECK)
    if found is None:
        raise Refused(row.reject(Reason.UNKNOWN_VALUE, "result"))
    if found is Result.NOTHING:
        return None
    options = page.reading.options
    basis = persons.text(row, "legal_basis", options.get("legal_basis"), Reason.NO_LEGAL_BASIS)
    since, doubts = persons.began(row, page)
    until = persons.ends(row, page, since) or since + persons.lasting(page, "hours", _A_DAY)
    return _standing(row, page, AlertKind.DOCUMENT_INVALID, basis, (since, until), doubts)


def _standing(
    row: Row,
    page: Page,
    kind: AlertKind,
    basis: str,
    period: tuple[dt.datetime, dt.datetime],
    doubts: tuple[str, ...],
) -> IdentityAlert:
    since, until = period
    if until > since + LONGEST_VALID:
        raise Refused(row.reject(Reason.VALID_TOO_LONG, "to"))
    told = row.get("action")
    action = _ACTIONS.get(rows.fold(told)) if told else AlertAction.CHECK
    doubts = doubts if action else (*doubts, "action-unknown")
    document = persons.document(row)
    return IdentityAlert(
        persons.origin(row, page, _CHECK if row.get("result") else kind, document, doubts),
        Op.UPSERT,
        document,
        kind,
        persons.text(row, "authority", page.reading.options.get("authority")),
        basis,
        action or AlertAction.CHECK,
        since,
        until,
    )


def _taken_back(row: Row, page: Page, of: str) -> IdentityAlert:
    document, now = persons.whose(row), page.delivery.received_at
    return IdentityAlert(
        persons.origin(row, page, of, document),
        Op.DELETE,
        document,
        AlertKind.DOCUMENT_INVALID,
        "",
        "",
        AlertAction.CHECK,
        now,
        now,
    )
