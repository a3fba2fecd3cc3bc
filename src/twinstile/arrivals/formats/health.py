"""Statuses, close contacts and key areas, as health departments send them.

A row that names a person is a status: its colour by the words and codes in use, and UNKNOWN
where it is none of them, which is never green. A row that names an area and nobody is an area.
Options: those of `rows.read` and `origins.version`; `authority`, where rows name none;
`colours` (`1=GREEN,2=YELLOW`), codes of this sender; `contacts` (`all`: each row is one, as it
is in a list that is called so); `hours` a status holds and `days` a contact and an area do,
where rows tell no end.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final, TypeAlias

from twinstile.arrivals.formats import persons, rows, values
from twinstile.arrivals.formats.persons import Page, Refused
from twinstile.arrivals.formats.reasons import Reason
from twinstile.arrivals.formats.rows import Columns, Row
from twinstile.arrivals.records import (
    LONGEST_VALID,
    Delivery,
    HealthStatus,
    KeyArea,
    Op,
    Reading,
    Record,
    Reject,
    StatusColour,
    Unknown,
)
from twinstile.policy import areas
from twinstile.policy.areas import Level

Said: TypeAlias = HealthStatus | KeyArea


class Contact(StrEnum):
    YES = "YES"
    NO = "NO"


COLUMNS: Final = Columns(
    rows.table(
        {
            **persons.NAMES,
            "grade": (
                "健康码颜色 健康码状态 健康码 码色 颜色 健康状态 风险等级 风险级别 等级 级别 "
                "colour color code_color code_colour health_color health_status healthy_staus "
                "risk_assessment_grade risk_grade risk_level level grade "
                "jkmys jkmzt jkzt mzt fxdj"
            ),
            "contact": (
                "密接类型 接触类型 接触者类型 是否密接 密接 密切接触者 close_contact "
                "contact_type is_contact contact"
            ),
            "code": (
                "行政区划代码 区划代码 地区代码 区域代码 地区编码 区划 xzqh xzqhdm area_code "
                "region_code adcode division_code country_code_iso code"
            ),
            rows.PASSED_OVER: (
                f"{persons.NAMES[rows.PASSED_OVER]} 地区 地区名称 区域名称 区域 省 市 县 街道 "
                "area area_name region region_name province city county"
            ),
        }
    ),
    fewest=2,
)
_COLOURS: Final = rows.table(
    {
        StatusColour.GREEN: "00 green g 绿 绿码 绿色 低风险 low low_risk 正常",
        StatusColour.YELLOW: "01 yellow amber y 黄 黄码 黄色 中风险 medium medium_risk",
        StatusColour.RED: "10 red r 红 红码 红色 高风险 high high_risk",
        StatusColour.UNKNOWN: (
            "init gray grey 灰 灰码 灰色 审核中 待审核 未申领 无码 过期 已过期 未知 expired "
            "under_review unknown not_found"
        ),
    }
)
"""00, 01 and 10 agree in two independent systems; 0, 1 and 2 do not, and are no colour."""
_CONTACTS: Final = rows.table(
    {
        Contact.YES: (
            "是 1 y yes true 密接 密接者 密切接触者 次密接 次密接者 密接的密接 同时空伴随 "
            "close secondary close_contact secondary_contact"
        ),
        Contact.NO: "否 0 2 n no false 非密接 不是 无关",
    }
)
_LEVELS: Final = rows.table(
    {
        Level.HIGH: "高 高风险 高风险区 高风险地区 3 high high_risk",
        Level.MEDIUM: "中 中风险 中风险区 中风险地区 2 medium medium_risk",
        Level.CASES: "有病例 有本土病例 有疫情 cases",
        Level.LOW: "低 低风险 低风险区 低风险地区 1 low low_risk",
        Level.NONE: "无 无风险 常态化防控 常态化防控区 常态化 none normal",
    }
)
_LIST_OF_CONTACTS: Final = re.compile(r"密接|密切接触|close.?contact", re.IGNORECASE)
_A_DAY: Final = dt.timedelta(days=1)
"""How long a status holds, and how far a clock may go before ours: further on nothing was
issued yet."""
_STATUS: Final = "status"


def read(delivery: Delivery, reading: Reading) -> Iterator[Record | Unknown | Reject]:
    """One status or area a row."""
    return persons.read(delivery, reading, COLUMNS, _said)


def _said(row: Row, page: Page) -> Said:
    is_area = row.get("code") and not row.get("number")
    return _area(row, page) if is_area else _status(row, page)


def _status(row: Row, page: Page) -> HealthStatus:
    now = page.delivery.received_at
    if persons.is_withdrawn(row, "op", "status", "grade", "contact"):
        whose = persons.whose(row)
        origin = persons.origin(row, page, _STATUS, whose)
        return HealthStatus(origin, Op.DELETE, whose, "", StatusColour.UNKNOWN, now, now)
    colour, doubts = _colour(row, page.reading.options)
    contact, more = _contact(row, page, colour)
    document = persons.document(row)
    since, unsaid = persons.began(row, page)
    if since > now + _A_DAY:
        raise Refused(row.reject(Reason.IMPLAUSIBLE_DATE, "from"))
    ahead = ("clock-ahead",) if since > now else ()
    since = min(since, now)
    until = persons.ends(row, page, since)
    if until is None:
        until = since + (
            persons.lasting(page, "days", LONGEST_VALID)
            if contact
            else persons.lasting(page, "hours", _A_DAY)
        )
        ahead = (*ahead, "no-end")
    doubts = (*doubts, *more, *unsaid, *ahead)
    return HealthStatus(
        persons.origin(row, page, _STATUS, document, doubts),
        Op.UPSERT,
        document,
        persons.text(row, "authority", page.reading.options.get("authority")),
        colour or StatusColour.UNKNOWN,
        since,
        until,
        contact,
    )


def _colour(
    row: Row, options: Mapping[str, str]
) -> tuple[StatusColour | None, tuple[str, ...]]:
    """What the row says of the colour, if anything: in words of this sender, then in any's."""
    told = row.get("grade") or row.get("status")
    if told is None:
        return None, ()
    own = dict(one.split("=", 1) for one in options.get("colours", "").split(",") if "=" in one)
    word = rows.fold({rows.fold(k): v for k, v in own.items()}.get(rows.fold(told), told))
    colour = _COLOURS.get(word)
    return colour or StatusColour.UNKNOWN, () if colour else ("colour-unknown",)


def _contact(row: Row, page: Page, colour: StatusColour | None) -> tuple[bool, tuple[str, ...]]:
    """Whether the row says that the person is a close contact. Raises `Refused`."""
    told = row.get("contact")
    said = _CONTACTS.get(rows.fold(told)) if told else None
    if said is not None:
        return said is Contact.YES, ()
    title = f"{row.title} {page.delivery.name}"
    listed = page.reading.options.get("contacts") == "all" or _LIST_OF_CONTACTS.search(title)
    if colour is None and not listed:
        missing = Reason.UNKNOWN_VALUE if told else Reason.MISSING
        raise Refused(row.reject(missing, "contact" if told else "grade"))
    return bool(listed), ("contact-unknown",) if told else ()


def _area(row: Row, page: Page) -> KeyArea:
    code = (row.get("code") or "").upper()
    if len(code) == 12:  # down to the community, of which policies know nothing
        code = code.removesuffix("000")
    if not re.fullmatch(areas.PATTERN, code):
        raise Refused(row.reject(Reason.INVALID, "code"))
    told = row.get("grade")
    level = _LEVELS.get(rows.fold(told)) if told else Level.CASES
    gone = level is Level.NONE or persons.is_withdrawn(row, "op", "status", "grade")
    if level is None and not gone:
        raise Refused(row.reject(Reason.UNKNOWN_VALUE, "grade"))
    since, until = _days(row, page)
    last = until or max(since, page.reading.today) + persons.lasting(
        page, "days", LONGEST_VALID
    )
    return KeyArea(
        persons.placed(
            row, page, row.get("key") or areas.normal(code), () if until else ("no-end",)
        ),
        Op.DELETE if gone else Op.UPSERT,
        code,
        level if level and not gone else Level.LOW,
        since,
        last,
    )


def _days(row: Row, page: Page) -> tuple[dt.date, dt.date | None]:
    """The first day an area is listed and the last, if told. Raises `Refused`."""
    since, until = _day(row, "from", page), _day(row, "to", page)
    first = since or page.reading.today
    if until is not None and until < first:
        raise Refused(row.reject(Reason.INVALID, "to"))
    return first, until


def _day(row: Row, word: str, page: Page) -> dt.date | None:
    told = row.get(word)
    if told is None:
        return None
    at = values.instant(told, page.reading.tz, row.first_day)
    if at is None:
        raise Refused(row.reject(Reason.INVALID, word))
    return at.astimezone(page.reading.tz).date()
