"""What lists of departments have in common: whom they speak of, under which key, for how long.

A key is the sender's own; where there is none, the person is it, by a digest: a record is
printed sooner or later, and its key with it.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeVar

from twinstile.arrivals.formats import origins, papers, rows, values
from twinstile.arrivals.formats.reasons import Reason
from twinstile.arrivals.formats.rows import Columns, Row
from twinstile.arrivals.records import (
    LONGEST_KEY,
    LONGEST_VALID,
    Delivery,
    DocumentClaim,
    Op,
    Origin,
    Reading,
    Reject,
    Unknown,
)

S = TypeVar("S")
LONGEST_TEXT: Final = 200
"""Of an authority and of a legal basis."""
NAMES: Final[Mapping[str, str]] = {
    **papers.COLUMNS,
    **origins.COLUMNS,
    "issuer": "国籍 签发国 国家 国家地区 country_code nationality issuing_state",
    "key": (
        "编号 记录编号 预警编号 布控编号 核验编号 流水号 alert_id alert_no check_id status_id "
        "contact_id record_id record_no serial_no exch_id row_id id"
    ),
    "authority": (
        "发布机关 发布单位 签发机关 布控单位 核验单位 认定单位 认定机构 机关 发码机构 "
        "authority issuing_authority issued_by issuer department"
    ),
    "from": (
        "生效时间 开始时间 起始时间 起始日期 开始日期 生效日期 布控时间 核验时间 比对时间 "
        "认定时间 判定时间 发码时间 评估时间 调整时间 发布时间 valid_from start_time "
        "start_date since checked_at check_time issued_at issue_time report_date determined_at "
        "effective_from"
    ),
    "to": (
        "失效时间 截止时间 结束时间 到期时间 截止日期 结束日期 失效日期 有效期 有效期至 "
        "有效期限 解除时间 解除日期 valid_to valid_until end_time end_date until expires_at "
        "expire_time expiry report_expired effective_to"
    ),
    "status": "状态 预警状态 布控状态 alert_status status state",
    rows.PASSED_OVER: (
        "序号 no 备注 说明 remark remarks 手机 手机号 手机号码 电话 联系电话 phone mobile "
        "地址 住址 现住址 address 年龄 age 民族"
    ),
}
"""What departments call their columns."""
STANDING: Final = rows.table(
    {
        Op.DELETE: (
            "撤销 已撤销 解除 已解除 取消 已取消 失效 已失效 作废 撤控 已撤控 解除隔离 "
            "解除管控 revoked revoke withdrawn cancelled canceled lifted released closed void "
            "inactive"
        ),
        Op.UPSERT: "有效 生效 已生效 布控 布控中 正常 active valid in_force new confirmed",
    }
)
"""Words for whether something still holds."""


@dataclass(frozen=True, slots=True)
class Page:
    """The list a row is of."""

    delivery: Delivery
    reading: Reading


class Refused(Exception):
    """The row cannot be used."""

    def __init__(self, reject: Reject) -> None:
        super().__init__(reject.reason)
        self.reject: Reject = reject


def is_withdrawn(row: Row, *words: str) -> bool:
    """Whether the row takes something back, by its operation or by what these cells say."""
    if origins.OPS.get(rows.fold(row.get("op") or "")) is Op.DELETE:
        return True
    return any(STANDING.get(rows.fold(row.get(word) or "")) is Op.DELETE for word in words)


def origin(
    row: Row, page: Page, of: str, document: DocumentClaim | None, doubts: tuple[str, ...] = ()
) -> Origin:
    """Where the row stands. `of` tells what it says from other things said of the person.

    Raises `Refused`.
    """
    key = row.get("key")
    if key is None and document is not None:
        whom = f"{document.kind}/{document.issuer or ''}/{document.number}"
        key = f"{of}/{sha256(whom.encode()).hexdigest()}"
    if key is None:
        raise Refused(row.reject(Reason.MISSING, "key"))
    return placed(row, page, key, doubts)


def placed(row: Row, page: Page, key: str, doubts: tuple[str, ...]) -> Origin:
    """Where a row of this key stands. Raises `Refused`."""
    version = origins.version(row, page.reading, page.delivery)
    if isinstance(version, Reject):
        raise Refused(version)
    when = origins.updated(row, page.reading)
    return Origin(key[:LONGEST_KEY], row.number, version, when, doubts)


def document(row: Row) -> DocumentClaim:
    """Whom the row speaks of. Raises `Refused`."""
    claim = papers.claim(row)
    if isinstance(claim, Reject):
        raise Refused(claim)
    if claim is None:
        raise Refused(row.reject(Reason.MISSING, "number"))
    return claim


def whose(row: Row) -> DocumentClaim | None:
    """Whom a row speaks of that takes something back, which may have a key alone."""
    claim = papers.claim(row)
    return claim if isinstance(claim, DocumentClaim) else None


def began(row: Row, page: Page) -> tuple[dt.datetime, tuple[str, ...]]:
    """From when it holds: from when it came, where that is not told. Raises `Refused`."""
    told, received = row.get("from"), page.delivery.received_at
    if told is None:
        return received, ("no-start",)
    at = values.instant(told, page.reading.tz, row.first_day)
    if at is None:
        raise Refused(row.reject(Reason.INVALID, "from"))
    if at >= received + LONGEST_VALID:
        raise Refused(row.reject(Reason.IMPLAUSIBLE_DATE, "from"))
    return at, ()


def ends(row: Row, page: Page, since: dt.datetime) -> dt.datetime | None:
    """Until when it holds, where that is told; a bare day holds to its end.

    Raises `Refused`.
    """
    told = row.get("to")
    if told is None:
        return None
    at = values.instant(told, page.reading.tz, row.first_day, ends=True)
    if at is None or at <= since:
        raise Refused(row.reject(Reason.INVALID, "to"))
    return at


def lasting(page: Page, unit: str, otherwise: dt.timedelta) -> dt.timedelta:
    """How long things hold by the option named for the `unit`, never longer than any may."""
    told = page.reading.options.get(unit, "")
    if not (told.isdecimal() and len(told) <= 3):
        return otherwise
    return min(dt.timedelta(**{unit: int(told)}), LONGEST_VALID)


def text(row: Row, word: str, otherwise: str | None, missing: Reason = Reason.MISSING) -> str:
    """A text of the department's, or what the feed says for all its rows. Raises `Refused`."""
    found = row.get(word) or otherwise
    if not found:
        raise Refused(row.reject(missing, word))
    if len(found) > LONGEST_TEXT:
        raise Refused(row.reject(Reason.TOO_LONG, word))
    return found


def read(
    delivery: Delivery,
    reading: Reading,
    columns: Columns,
    said: Callable[[Row, Page], S | None],
) -> Iterator[S | Unknown | Reject]:
    """What each row says, by a function that raises `Refused`; None: nothing."""
    page = Page(delivery, reading)
    for one in rows.read(delivery, columns, reading.options):
        if isinstance(one, Reject | Unknown):
            yield one
        elif isinstance(one, Row):
            try:
                made = said(one, page)
            except Refused as refused:
                yield refused.reject
            else:
                if made is not None:
                    yield made
