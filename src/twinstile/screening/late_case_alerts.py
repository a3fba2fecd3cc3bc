"""Alerts of cases that are late: held while they are, over when they go on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from twinstile.cases import deadlines
from twinstile.cases.deadlines import LateCase
from twinstile.cases.types import CaseState, Wait
from twinstile.platform.db.database import Transaction
from twinstile.screening import alerts
from twinstile.screening.types import AlertKind

_OF_WAITS: Final[Mapping[Wait, AlertKind]] = {
    Wait.CARE: AlertKind.CARE_OVERDUE,
    Wait.RECEIVER: AlertKind.RECEIVER_DECLINED,
    Wait.REPORT_SOON: AlertKind.REPORT_DUE,
    Wait.REPORT: AlertKind.REPORT_OVERDUE,
    Wait.FOLLOW_UP: AlertKind.FOLLOW_UP_OVERDUE,
    Wait.ORIGIN: AlertKind.ORIGIN_UNTOLD,
}
_OF_STATES: Final[Mapping[CaseState, AlertKind]] = {
    **{state: AlertKind.CASE_OVERDUE for state in CaseState if not state.terminal},
    CaseState.IN_TRANSFER: AlertKind.NEVER_ARRIVED,
}
KINDS: Final = frozenset(_OF_WAITS.values()) | frozenset(_OF_STATES.values())


def kind_of(late: LateCase) -> AlertKind:
    """Which alert tells of it."""
    return _OF_STATES[late.state] if late.wait is None else _OF_WAITS[late.wait]


async def watch(tx: Transaction, hub_id: str, now: datetime) -> None:
    """Hold the alerts of a hub to the cases that are late now."""
    told: dict[AlertKind, dict[UUID, dict[str, object]]] = {kind: {} for kind in KINDS}
    for late in await deadlines.late(tx, hub_id):
        told[kind_of(late)][late.case_id] = {
            "case_no": late.case_no,
            "state": late.state.value,
            "since": late.since.isoformat(),
        }
    for kind in sorted(KINDS):
        await alerts.hold(tx, hub_id, kind, told[kind], now)
