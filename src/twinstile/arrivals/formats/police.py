"""Alerts and the results of identity checks, as police systems send them.

An alert without legal basis, health reason and end is refused: this service looks for nobody
for another reason. A check that finds a document invalid is an alert for a day, a good one
takes it back, and one that found nothing says nothing.
Options: those of `rows.read_rows` and `rows.row_version`; `authority`, where rows name none;
`legal_basis` and `hours` of the results of checks, whose rows seldom tell any.
"""

import datetime as dt
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from twinstile.arrivals.formats import persons, rows
from twinstile.arrivals.formats.persons import PersonList, RowRefused
from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.formats.rows import Columns, Row
from twinstile.arrivals.records import (
    LONGEST_VALID,
    AlertAction,
    Delivery,
    IdentityAlert,
    Op,
    ReaderContext,
    Record,
    Reject,
    UnknownColumns,
    WatchReason,
)


class _CheckResult(StrEnum):
    """What a check of an identity found."""

    GOOD = "GOOD"
    BAD = "BAD"
    NOTHING = "NOTHING"


COLUMNS: Final = Columns(rows.column_names("document", "any", "person", "police"))
_KINDS: Final = rows.words_of(WatchReason, "police.reason")
_ACTIONS: Final = rows.words_of(AlertAction, "police.action")
_RESULTS: Final = rows.words_of(_CheckResult, "police.result")
_CHECK: Final = "check"
_A_DAY: Final = dt.timedelta(days=1)
"""How long the result of a check holds, unless it or the feed says otherwise."""


def read(
    delivery: Delivery, reading: ReaderContext
) -> Iterator[Record | UnknownColumns | Reject]:
    """One alert a row, of a person's document."""
    return persons.read_person_list(delivery, reading, COLUMNS, _read_row)


def _read_row(row: Row, page: PersonList) -> IdentityAlert | None:
    is_check = row.get("result") and not row.get("reason")
    return _check(row, page) if is_check else _alert(row, page)


def _alert(row: Row, page: PersonList) -> IdentityAlert:
    kind = _KINDS.get(rows.fold(row.get("reason") or ""))
    if persons.is_withdrawn(row, "op", "status"):
        return _withdrawn_alert(row, page, kind or "alert")
    if kind is None:
        raise RowRefused(row.reject(RejectReason.NO_HEALTH_REASON, "reason"))
    basis = persons.text(row, "legal_basis", None, RejectReason.NO_LEGAL_BASIS)
    since, doubts = persons.valid_from(row, page)
    until = persons.valid_to(row, page, since)
    if until is None:
        raise RowRefused(row.reject(RejectReason.NO_END, "to"))
    return _active_alert(row, page, kind, basis, (since, until), doubts)


def _check(row: Row, page: PersonList) -> IdentityAlert | None:
    found = _RESULTS.get(rows.fold(row.get("result") or ""))
    if found is _CheckResult.GOOD or persons.is_withdrawn(row, "op"):
        return _withdrawn_alert(row, page, _CHECK)
    if found is None:
        raise RowRefused(row.reject(RejectReason.UNKNOWN_VALUE, "result"))
    if found is _CheckResult.NOTHING:
        return None
    options = page.reading.options
    basis = persons.text(
        row, "legal_basis", options.get("legal_basis"), RejectReason.NO_LEGAL_BASIS
    )
    since, doubts = persons.valid_from(row, page)
    until = persons.valid_to(row, page, since) or since + persons.default_validity(
        page, "hours", _A_DAY
    )
    return _active_alert(row, page, WatchReason.DOCUMENT_INVALID, basis, (since, until), doubts)


def _active_alert(
    row: Row,
    page: PersonList,
    kind: WatchReason,
    basis: str,
    period: tuple[dt.datetime, dt.datetime],
    doubts: tuple[str, ...],
) -> IdentityAlert:
    since, until = period
    if until > since + LONGEST_VALID:
        raise RowRefused(row.reject(RejectReason.VALID_TOO_LONG, "to"))
    told = row.get("action")
    action = _ACTIONS.get(rows.fold(told)) if told else AlertAction.CHECK
    doubts = doubts if action else (*doubts, "action-unknown")
    document = persons.document(row)
    return IdentityAlert(
        persons.record_origin(
            row, page, _CHECK if row.get("result") else kind, document, doubts
        ),
        Op.UPSERT,
        document,
        kind,
        persons.text(row, "authority", page.reading.options.get("authority")),
        basis,
        action or AlertAction.CHECK,
        since,
        until,
    )


def _withdrawn_alert(row: Row, page: PersonList, of: str) -> IdentityAlert:
    document, now = persons.optional_document(row), page.delivery.received_at
    return IdentityAlert(
        persons.record_origin(row, page, of, document),
        Op.DELETE,
        document,
        WatchReason.DOCUMENT_INVALID,
        "",
        "",
        AlertAction.CHECK,
        now,
        now,
    )
