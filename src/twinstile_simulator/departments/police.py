"""The police: a signed interface that is asked page by page from a cursor.

An answer is an envelope with a code; where there is nothing new there is no content. What is
published twice comes twice, under two cursors.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from twinstile_simulator.departments.http_server import (
    DepartmentServer,
    HttpReply,
    HttpRequest,
    SignatureVerifier,
)
from twinstile_simulator.documents import InventedDocument

KEY_ID = "police-1"
PATH = "/v2/alerts"
CURSOR = "after"
NEXT = "X-Next-Cursor"
_AUTHORITY = "滨海市公安局"
_BASIS = "中华人民共和国传染病防治法第三十九条"
_TYPES = {"RESIDENT_ID": "111", "PASSPORT": "414"}

Row = Mapping[str, object]


@dataclass(slots=True)
class PoliceDepartment:
    gatekeeper: SignatureVerifier
    server: DepartmentServer = field(init=False)
    pages: list[bytes] = field(default_factory=list[bytes])
    rejected: int = 0
    """Rows without what an alert needs, of all pages."""

    def __post_init__(self) -> None:
        self.server = DepartmentServer(self._answer)

    @property
    def again(self) -> int:
        """Pages with the bytes of an earlier one."""
        return len(self.pages) - len(set(self.pages))

    def publish(self, rows: list[Row]) -> None:
        """Have one more page."""
        page = {"code": 0, "message": "成功", "data": {"total": len(rows), "list": rows}}
        self.pages.append(json.dumps(page, ensure_ascii=False).encode())

    def _answer(self, question: HttpRequest) -> HttpReply:
        if not self.gatekeeper.verify(question):
            return HttpReply("401 Unauthorized")
        told = question.query.get(CURSOR, "0")
        place = int(told) if told.isdecimal() else 0
        if place >= len(self.pages):
            return HttpReply("204 No Content")
        kind = {"Content-Type": "application/json;charset=GBK"}  # it is UTF-8, as often
        return HttpReply("200 OK", self.pages[place], {**kind, NEXT: str(place + 1)})


def write_alert(key: str, who: InventedDocument, *, stop: bool = False) -> Row:
    """Ask that somebody is looked at who has been near a case."""
    begun = datetime.now(UTC) - timedelta(hours=1)
    return {
        "alert_id": key,
        "alert_type": "密接",
        "id_type": _TYPES[who.kind],
        "id_no": who.number,
        "action": "拦截" if stop else "核查",
        "issuing_authority": _AUTHORITY,
        "legal_basis": _BASIS,
        "valid_from": begun.isoformat(timespec="seconds"),
        "valid_to": (begun + timedelta(days=7)).isoformat(timespec="seconds"),
        "version": 1,
    }


def write_lifting(row: Row) -> Row:
    """Take an alert back: its key is enough."""
    return {"alert_id": row["alert_id"], "status": "已撤销", "version": 2}


def write_document_check(key: str, who: InventedDocument, result: str) -> Row:
    """Tell what comparing a document with the register came to."""
    return {
        "check_id": key,
        "id_type": _TYPES[who.kind],
        "id_no": who.number,
        "check_result": result,
        "check_time": int(datetime.now(UTC).timestamp() * 1000),
        "issuing_authority": _AUTHORITY,
        "legal_basis": "中华人民共和国居民身份证法第十五条",
    }


def write_invalid_alerts(who: InventedDocument) -> list[Row]:
    """Alerts that must not be taken: no legal basis, no health reason, no end."""
    good = write_alert("unfit", who)
    return [
        {**good, "alert_id": "unfit-1", "legal_basis": ""},
        {**good, "alert_id": "unfit-2", "alert_type": "在逃人员"},
        {**good, "alert_id": "unfit-3", "valid_to": None},
    ]
