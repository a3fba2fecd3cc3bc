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


COLUMNS: Final = Columns(
    rows.table(
        {
            **persons.NAMES,
            "reason": (
                "预警类型 预警原因 布控类型 布控原因 原因 类型 人员类型 人员类别 "
                "alert_kind alert_type alert_reason reason category kind type"
            ),
            "legal_basis": "法律依据 法定依据 依据 依据文书 legal_basis basis",
            "action": "处置方式 处置措施 处置要求 处置 指令 action disposal instruction",
            "result": (
                "核验结果 比对结果 认证结果 核查结果 结果 证件状态 check_result "
                "verify_result result result_desc document_status"
            ),
        }
    )
)
_KINDS: Final = rows.table(
    {
        AlertKind.KEY_AREA: (
            "key_area risk_area 重点地区 重点地区人员 重点地区来返人员 风险地区 风险地区人员 "
            "高风险地区 中高风险区 中高风险地区 涉疫地区 涉疫地区人员 疫区"
        ),
        AlertKind.CLOSE_CONTACT: (
            "close_contact contact secondary_contact 密接 密接者 密接人员 密切接触者 次密接 "
            "次密接者 密接的密接 同时空伴随 同时空伴随人员"
        ),
        AlertKind.ISOLATION_ORDER: (
            "isolation_order isolation quarantine quarantine_order 隔离 隔离令 隔离人员 "
            "集中隔离 居家隔离 隔离管控 应隔离未隔离"
        ),
        AlertKind.MISSED_FOLLOW_UP: (
            "missed_follow_up lost_to_follow_up 失访 失访人员 随访中断 未随访 脱管 漏管 漏检"
        ),
        AlertKind.DOCUMENT_INVALID: (
            "document_invalid invalid_document 证件失效 证件无效 证件挂失 证件注销 冒用证件"
        ),
    }
)
_ACTIONS: Final = rows.table(
    {
        AlertAction.STOP: "stop hold detain intercept 拦截 截停 拦停 留置 管控 控制 劝阻",
        AlertAction.CHECK: "check verify notify recheck 核查 核验 复核 关注 提示 通知 登记",
    }
)
_RESULTS: Final = rows.table(
    {
        Result.GOOD: (
            "一致 核验一致 比对一致 核验通过 认证通过 比对通过 通过 同一人 正常 有效 "
            "match matched pass passed ok valid success"
        ),
        Result.BAD: (
            "不一致 核验不一致 比对不一致 核验不通过 核验未通过 认证不通过 不通过 未通过 "
            "非同一人 无效 失效 已失效 挂失 已挂失 注销 已注销 作废 过期 已过期 冒用 伪造 "
            "mismatch failed fail invalid lost stolen revoked cancelled canceled expired forged"
        ),
        Result.NOTHING: (
            "库中无此号 查无此人 无此人 未查到 无记录 未核验 超时 未知 not_found no_record "
            "not_checked timeout unavailable unknown"
        ),
    }
)
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
