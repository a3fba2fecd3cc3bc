"""What people call the states and events of a screening, in English and Chinese.

Short, because they stand in the rows of a wall chart and on the buttons of a tablet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from twinstile.platform.machine import Anchor, Deadline
from twinstile.screening.types import AlertKind, ScreeningEvent, ScreeningState, Verdict


class Language(StrEnum):
    EN = "en"
    ZH_CN = "zh-CN"


@dataclass(frozen=True, slots=True)
class Phrase:
    en: str
    zh_cn: str

    def in_language(self, language: Language) -> str:
        match language:
            case Language.EN:
                return self.en
            case Language.ZH_CN:
                return self.zh_cn


STATES: Final[Mapping[ScreeningState, Phrase]] = {
    ScreeningState.EXPECTED: Phrase("Expected", "应到"),
    ScreeningState.PRESENTED: Phrase("At the lane", "到达通道"),
    ScreeningState.ASSISTED: Phrase("Assisted", "人工协助"),
    ScreeningState.VERIFYING: Phrase("Verifying", "核验中"),
    ScreeningState.SECONDARY: Phrase("Second check", "二次核验"),
    ScreeningState.HELD: Phrase("Held", "留观"),
    ScreeningState.REFUSAL: Phrase("Refusal", "拒绝配合"),
    ScreeningState.RETURN_PENDING: Phrase("Return agreed", "同意劝返"),
    ScreeningState.TRANSIT_HELD: Phrase("In transit", "站内中转"),
    ScreeningState.DEFERRED: Phrase("Deferred", "落地管控"),
    ScreeningState.CLEARED: Phrase("Cleared", "放行"),
    ScreeningState.CLEARED_CONDITIONAL: Phrase("Cleared on terms", "附条件放行"),
    ScreeningState.CLEARED_TRANSIT: Phrase("Cleared onward", "中转放行"),
    ScreeningState.HANDED_OVER: Phrase("Handed over", "已移交"),
    ScreeningState.RETURNED: Phrase("Returned", "已返回"),
    ScreeningState.DENIED: Phrase("Denied", "劝阻乘车"),
    ScreeningState.DEFERRED_UNRESOLVED: Phrase("Left unresolved", "逾期未落实"),
    ScreeningState.NO_SHOW: Phrase("No show", "未到"),
    ScreeningState.ABANDONED: Phrase("Walked off", "中途离开"),
    ScreeningState.VOID: Phrase("Void", "作废"),
}

EVENTS: Final[Mapping[ScreeningEvent, Phrase]] = {
    ScreeningEvent.PRESENT: Phrase("comes to a lane", "到达通道"),
    ScreeningEvent.TRANSIT_DECLARED: Phrase("travels onward", "声明中转"),
    ScreeningEvent.FUSE_BYPASS: Phrase("surge: let by", "熔断免检"),
    ScreeningEvent.RUN_CLOSED: Phrase("run closed", "车次关闭"),
    ScreeningEvent.VOID: Phrase("entered in error", "录入有误"),
    ScreeningEvent.EVIDENCE_COMPLETE: Phrase("evidence complete", "证据齐全"),
    ScreeningEvent.ASSIST_NEEDED: Phrase("needs help", "需要协助"),
    ScreeningEvent.ALARM: Phrase("alarm", "报警"),
    ScreeningEvent.REFUSE: Phrase("refuses", "拒绝"),
    ScreeningEvent.FUSE_RELEASE: Phrase("surge: release", "熔断放行"),
    ScreeningEvent.TIMEOUT: Phrase("time is up", "超时"),
    ScreeningEvent.PASS: Phrase("passes", "通过"),
    ScreeningEvent.PASS_WITH_CONDITIONS: Phrase("passes on terms", "附条件通过"),
    ScreeningEvent.FLAG: Phrase("flagged by a rule", "规则标记"),
    ScreeningEvent.PROVIDER_UNAVAILABLE: Phrase("no reply", "外部无应答"),
    ScreeningEvent.PROVIDER_UNAVAILABLE_LOW_RISK: Phrase(
        "no reply, low risk", "无应答且低风险"
    ),
    ScreeningEvent.TRANSIT_OK: Phrase("may travel on", "可继续中转"),
    ScreeningEvent.RECHECK_NORMAL: Phrase("recheck normal", "复测正常"),
    ScreeningEvent.RECHECK_NORMAL_CONDITIONS: Phrase("normal, on terms", "复测正常附条件"),
    ScreeningEvent.CONFIRMED_ABNORMAL: Phrase("still abnormal", "确认异常"),
    ScreeningEvent.POLICY_RETURN: Phrase("agrees to return", "同意劝返"),
    ScreeningEvent.DENY_BOARDING: Phrase("boarding denied", "不予乘车"),
    ScreeningEvent.ABSCONDED: Phrase("walks off", "擅自离开"),
    ScreeningEvent.HANDOVER_ACK: Phrase("receiver has them", "接收方确认"),
    ScreeningEvent.NOT_A_CASE: Phrase("medic: not a case", "医生排除"),
    ScreeningEvent.CONSENT: Phrase("agrees after all", "转为同意"),
    ScreeningEvent.LAWFUL_ORDER: Phrase("lawful order", "依法要求"),
    ScreeningEvent.RETURN_CHOSEN: Phrase("prefers to return", "选择返回"),
    ScreeningEvent.CUSTODY: Phrase("taken by police", "移交公安"),
    ScreeningEvent.BOARDED: Phrase("has boarded", "已登车"),
    ScreeningEvent.CHANGED_MIND: Phrase("return called off", "取消返回"),
    ScreeningEvent.CONNECTION_BOARDED: Phrase("boards onward", "已转乘"),
    ScreeningEvent.EXIT_CHOSEN: Phrase("wants to exit", "选择出站"),
    ScreeningEvent.MISSED: Phrase("connection missed", "错过接续"),
    ScreeningEvent.MATCHED_CLEAR: Phrase("later: clear", "事后核为正常"),
    ScreeningEvent.MATCHED_CONDITIONS: Phrase("later: on terms", "事后附条件"),
    ScreeningEvent.MATCHED_RISK: Phrase("later: at risk", "事后核为风险"),
    ScreeningEvent.REENTER: Phrase("comes back", "再次进入"),
}

BEYOND_POLICY: Final[Mapping[str, Phrase]] = {
    "emergency": Phrase("Emergency: call the medic at once", "紧急情况 立即呼叫医护人员"),
    "release-forbidden": Phrase("Not to be let through unverified", "未经核验不得放行"),
    "authority-stop": Phrase(
        "Stop: ask this person to the second check", "请拦停 引导至二次核验"
    ),
    "authority-check": Phrase("Ask this person to the second check", "请引导至二次核验"),
    "health-record-red": Phrase(
        "Health department: red, ask to the second check", "卫健部门记录为红码 请二次核验"
    ),
    "health-record-yellow": Phrase(
        "Health department: yellow, ask to the second check", "卫健部门记录为黄码 请二次核验"
    ),
    "health-record-contact": Phrase(
        "Health department: close contact, keep a distance and call the medic",
        "卫健部门记录为密切接触者 请保持距离并呼叫医护人员",
    ),
}
"""Reasons that no policy gives, by their code."""

ENTERS: Final[Mapping[str, Phrase]] = {
    "manifest_row": Phrase("on an arrival manifest", "在到达名单上"),
    "first_capture": Phrase("first reading or document at a lane", "通道首次采集"),
    "needs_help": Phrase(
        "no phone, child, language, disability", "无手机、儿童、语言或行动不便"
    ),
    "evidence_suffices": Phrase("evidence is all there", "证据满足要求"),
    "flagged": Phrase("an alarm, a rule, or no reply", "报警、规则标记或无应答"),
    "confirmed_or_stalled": Phrase("confirmed abnormal, or stalled", "确认异常或久拖未决"),
    "refuses": Phrase("refuses measure, document or test", "拒绝测温、验证或检测"),
    "agreed_to_return": Phrase("traveller consents to return", "旅客同意返回"),
    "onward_ticket": Phrase("stays inside until the connection", "不出站等候接续"),
    "released_unscreened": Phrase("let through, to be checked by data", "先放行后数据核查"),
}

LEADS: Final[Mapping[str, Phrase]] = {
    "system": Phrase("system", "系统"),
    "gate": Phrase("lane", "通道"),
    "assistant": Phrase("assistant", "协助员"),
    "screener": Phrase("screener", "查验员"),
    "medic": Phrase("medic", "医生"),
    "police": Phrase("police", "公安"),
    "escort": Phrase("escort", "护送员"),
    "community": Phrase("community", "社区"),
}

ENDS: Final[Mapping[ScreeningState, Phrase]] = {
    ScreeningState.CLEARED: Phrase("may leave", "可以离站"),
    ScreeningState.CLEARED_CONDITIONAL: Phrase("may leave, followed up", "可离站并随访"),
    ScreeningState.CLEARED_TRANSIT: Phrase("boards the connection", "登乘接续车次"),
    ScreeningState.HANDED_OVER: Phrase("a receiver answers", "接收方负责"),
    ScreeningState.RETURNED: Phrase("origin is told", "通知来源地"),
    ScreeningState.DENIED: Phrase("with person and reason", "记录责任人与理由"),
    ScreeningState.DEFERRED_UNRESOLVED: Phrase("raised to the commander", "上报值班指挥"),
    ScreeningState.NO_SHOW: Phrase("never came to a lane", "车次关闭时仍未到"),
    ScreeningState.ABANDONED: Phrase("an alert is raised", "立即发出警报"),
    ScreeningState.VOID: Phrase("with a reason", "注明理由"),
}

VERDICTS: Final[Mapping[Verdict, Phrase]] = {
    Verdict.PASS: Phrase("pass", "放行"),
    Verdict.UNKNOWN: Phrase("not known yet", "尚不明确"),
    Verdict.CHECK: Phrase("second check", "复核"),
    Verdict.STOP: Phrase("stop", "止步"),
}

ALERTS: Final[Mapping[AlertKind, Phrase]] = {
    AlertKind.ABSCONDED: Phrase("Walked off under suspicion", "可疑人员擅自离开"),
    AlertKind.LEFT_LANE: Phrase("Left the lane half checked", "查验未完成即离开通道"),
    AlertKind.OVERDUE: Phrase("Nobody decided in time", "逾时未处置"),
    AlertKind.ORDER_ENDED: Phrase(
        "Lawful order has ended: decide now", "依法要求到期 · 立即处置"
    ),
    AlertKind.PARTY_FLAGGED: Phrase("A companion turned out ill", "同行人员查出异常"),
    AlertKind.DEFERRAL_UNRESOLVED: Phrase("Deferral left unresolved", "落地管控逾期未落实"),
    AlertKind.DEFERRAL_RISK: Phrase(
        "Let through, and at risk by new data", "已放行人员经数据核查存在风险"
    ),
    AlertKind.CHANNEL_DOWN: Phrase(
        "Messages to travellers do not leave", "旅客提醒信息发送受阻"
    ),
    AlertKind.CASE_OVERDUE: Phrase("Nobody has moved this case on", "病例未按时处置"),
    AlertKind.NEVER_ARRIVED: Phrase(
        "The patient has not arrived at the receiver", "患者未按时到达接收单位"
    ),
    AlertKind.CARE_OVERDUE: Phrase(
        "Nobody has looked at the person in the room", "留观人员未按时巡视"
    ),
    AlertKind.REPORT_DUE: Phrase(
        "The legal time to report this case is nearly up", "法定报告时限即将届满"
    ),
    AlertKind.APPEAL_OVERDUE: Phrase(
        "Nobody has answered a traveller's appeal in time", "旅客申诉逾期未答复"
    ),
    AlertKind.REPORT_OVERDUE: Phrase(
        "The legal time to report this case is over", "已超过法定报告时限"
    ),
    AlertKind.FOLLOW_UP_OVERDUE: Phrase(
        "Nobody has reached the patient who was to be called", "未按时随访到患者"
    ),
    AlertKind.RECEIVER_DECLINED: Phrase(
        "The receiver will not take the patient: find another", "接收单位拒收、需另行安排"
    ),
    AlertKind.ORIGIN_UNTOLD: Phrase(
        "The place of origin was not told of a return", "劝返人员来源地未按时通知"
    ),
    AlertKind.UNMATCHED: Phrase(
        "Many who come are on no list: look at the feeds and at the documents",
        "大量旅客不在到达名单上 · 请核查名单来源与证件读取",
    ),
    AlertKind.RETROSPECTIVE: Phrase(
        "Passed, and should have been stopped: look again", "事后比对异常 · 请复核"
    ),
    AlertKind.TRUST_LIST_STALE: Phrase(
        "The trust list grows old: bring or agree on a newer one",
        "信任列表即将过期 · 请导入或审批新版本",
    ),
    AlertKind.FEED_STALE: Phrase(
        "A department is not heard of: verify by hand", "部门数据中断 · 请人工核验"
    ),
    AlertKind.FEED_REJECTS: Phrase(
        "A department sends what cannot be used", "部门数据异常 · 大量记录无法使用"
    ),
    AlertKind.FEED_UNMATCHED: Phrase(
        "A department sends of runs nobody announced", "部门数据与车次无法对应"
    ),
}

TRIGGERS: Final[Mapping[str, Phrase]] = {
    "person": Phrase("a person on duty may say so", "值班人员可操作"),
    "rule": Phrase("a rule or another system", "规则或其他系统触发"),
    "timer": Phrase("the deadline", "到时自动触发"),
}

SHEET: Final[Mapping[str, Phrase]] = {
    "title": Phrase("Screening of one traveller", "旅客查验流程"),
    "method": Phrase(
        "2 reminders · 2 verifications · 2 services", "两次提醒 · 两次核验 · 两次服务"
    ),
    "policy": Phrase(
        "Deadlines as delivered; the policy of the hub may set others.",
        "时限为默认值 · 以本枢纽现行防控政策为准",
    ),
    "read": Phrase("How to read", "图例"),
    "row": Phrase(
        "Every way out is a row: who · what happens → where to",
        "每行一个去向 · 触发者 · 事件 → 去向",
    ),
    "dot": Phrase(
        "the way is drawn; without a dot go to the number",
        "有圆点者有连线 · 无圆点者按编号查找",
    ),
    "main": Phrase("the way of most travellers", "多数旅客的路径"),
    "dashed": Phrase("only the deadline leads here", "仅因超时"),
    "end": Phrase("double frame: the end of this screening", "双框为本次查验结束"),
    "leads": Phrase("led by {}", "{}负责"),
    "stays": Phrase("raise alarm", "升级上报"),
}


def said(phrase: Phrase, accepted: str) -> str:
    """The phrase in the first language of an Accept-Language that there is, else in English."""
    for wanted in accepted.lower().split(","):
        for language in Language:
            if wanted.strip().startswith(language.value[:2]):
                return phrase.in_language(language)
    return phrase.en


def deadline(limit: Deadline, language: Language) -> str:
    """Say until when a state may last."""
    span = abs(limit.default)
    for unit, name in _UNITS.items():
        if span % unit == timedelta(0):
            amount = f"{span // unit} {name.in_language(language)}"
            break
    else:
        raise ValueError("a deadline is a whole number of seconds")
    return _ANCHORS[limit.anchor].in_language(language).format(amount)


_UNITS: Final = {
    timedelta(hours=1): Phrase("h", "小时"),
    timedelta(minutes=1): Phrase("min", "分钟"),
    timedelta(seconds=1): Phrase("s", "秒"),
}

_ANCHORS: Final = {
    Anchor.ENTERED: Phrase("within {}", "{}内"),
    Anchor.ARRIVAL: Phrase("arrival + {}", "到达后 {}"),
    Anchor.EXPECTED_ARRIVAL: Phrase("planned arrival + {}", "预计到达后 {}"),
    Anchor.DEPARTURE: Phrase("{} before departure", "发车前 {}"),
}
