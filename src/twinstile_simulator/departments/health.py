"""The health department: tables left in a folder, each with its MD5 beside it.

Moments are told by the clock on its wall, without a zone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from twinstile_simulator.departments.file_drop import DeliveryFolder, write_table
from twinstile_simulator.documents import InventedDocument

ENCODING = "utf-8-sig"
_ISSUER = "滨海市卫生健康委员会"
_TYPES = {"RESIDENT_ID": "01", "PASSPORT": "03"}
_ZONE = ZoneInfo("Asia/Shanghai")
_MOMENT = "%Y-%m-%d %H:%M:%S"

Row = Mapping[str, object]


@dataclass(slots=True)
class HealthDepartment:
    drop: DeliveryFolder
    rejected: int = 0
    """Rows nobody can read, of all tables that are no repetition."""

    @classmethod
    def at(cls, folder: Path) -> "HealthDepartment":
        return cls(DeliveryFolder(folder, "md5"))

    def send(self, name: str, rows: Sequence[Row], *, complete: bool = True) -> None:
        self.drop.write_file(f"{name}.csv", write_table(rows, ENCODING), complete=complete)


def write_status(who: InventedDocument, colour: str) -> Row:
    """Tell the colour of somebody's code."""
    issued = _an_hour_ago()
    return {
        "证件类型": _TYPES[who.kind],
        "证件号码": who.number,
        "健康码状态": colour,
        "发布单位": _ISSUER,
        "发布时间": f"{issued:{_MOMENT}}",
        "有效期至": f"{issued + timedelta(hours=24):{_MOMENT}}",
    }


def write_contact(who: InventedDocument, kind: str) -> Row:
    """List a close contact."""
    return {
        "证件类型": _TYPES[who.kind],
        "证件号码": who.number,
        "密接类型": kind,
        "认定单位": _ISSUER,
        "认定时间": f"{_an_hour_ago():{_MOMENT}}",
    }


def write_area(code: str, level: str) -> Row:
    """List an area."""
    today = _an_hour_ago().date()
    return {
        "区划代码": code,
        "风险等级": level,
        "起始日期": today - timedelta(days=3),
        "截止日期": today + timedelta(days=10),
    }


def _an_hour_ago() -> datetime:
    return datetime.now(_ZONE) - timedelta(hours=1)
