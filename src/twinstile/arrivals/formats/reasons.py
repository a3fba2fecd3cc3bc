"""Why a row or a delivery cannot be used, in words for whoever sent it.

Words say what to change at the sender's; they hold no value of the row.
"""

# ruff: noqa: RUF001 -- Chinese has punctuation of its own

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeAlias

Said: TypeAlias = Mapping[str, str]


class Reason(StrEnum):
    # of a whole delivery
    EMPTY = "empty"
    HTML = "html"
    NOT_A_TABLE = "not-a-table"
    COMPRESSED = "compressed"
    CHARSET = "charset"
    PASSWORD = "password"  # noqa: S105 -- a reason
    DAMAGED = "damaged"
    TOO_LARGE = "too-large"
    NO_HEADER = "no-header"
    NO_DATA = "no-data"
    ERROR_ANSWER = "error-answer"
    TRUNCATED = "truncated"
    NOT_EDIFACT = "not-edifact"
    NOT_GTFS = "not-gtfs"
    NOT_GTFS_RT = "not-gtfs-rt"
    NO_STOPS = "no-stops"
    # of a row
    MALFORMED = "malformed-row"
    TOO_LONG = "too-long"
    EXTRA_CELLS = "extra-cells"
    MISSING = "missing-value"
    INVALID = "invalid-value"
    UNKNOWN_VALUE = "unknown-value"
    NOT_SPECIFIED = "not-specified"
    IMPLAUSIBLE_DATE = "implausible-date"
    NUMBER_DESTROYED = "number-destroyed"
    NUMBER_MASKED = "number-masked"
    NO_KEY = "no-key"
    NO_FLIGHT = "no-flight"
    NOT_HERE = "not-here"
    NO_TIME = "no-time"
    NO_LEGAL_BASIS = "no-legal-basis"
    NO_HEALTH_REASON = "no-health-reason"
    NO_END = "no-end"
    VALID_TOO_LONG = "valid-too-long"
    # of a row that was read
    SYNTHETIC_DOCUMENT = "synthetic-document"
    RUN_CLOSED = "run-closed"
    PERIOD = "implausible-period"
    NOT_STORABLE = "not-storable"
    # of a delivery that was
    KEY_GONE = "key-gone"
    FAILED = "failed"


def _said(en: str, zh_cn: str) -> Said:
    return {"en": en, "zh-CN": zh_cn}


WORDS: Final[Mapping[Reason, Said]] = {
    Reason.EMPTY: _said("The file is empty.", "文件为空。"),
    Reason.HTML: _said(
        "A web page came instead of data, perhaps a sign-in or error page, or a table saved "
        "as a web page under another name. Save it as CSV or XLSX.",
        "收到的是网页而非数据，可能是登录页、错误页，或以其他扩展名保存的网页表格。"
        "请另存为 CSV 或 XLSX。",
    ),
    Reason.NOT_A_TABLE: _said(
        "This is no table and no JSON. Send CSV, XLSX, XLS, ODS, JSON or JSON lines.",
        "既不是表格也不是 JSON。请发送 CSV、XLSX、XLS、ODS、JSON 或 JSON Lines。",
    ),
    Reason.COMPRESSED: _said(
        "The file is compressed. Send the list itself.", "文件经过压缩。请直接发送名单文件。"
    ),
    Reason.CHARSET: _said(
        "The text is in no encoding we know, or damaged in it. Send UTF-8 or GB18030.",
        "文本编码无法识别，或已损坏。请使用 UTF-8 或 GB18030。",
    ),
    Reason.PASSWORD: _said(
        "The workbook is protected by a password. Send it without one.",
        "工作簿设有密码。请取消密码后再发送。",
    ),
    Reason.DAMAGED: _said(
        "The file is damaged or was still being written. Send it again.",
        "文件已损坏或尚未写完。请重新发送。",
    ),
    Reason.TOO_LARGE: _said(
        "The file holds more than can be opened safely. Divide it, or send CSV.",
        "文件内容超出可安全打开的范围。请拆分，或改用 CSV。",
    ),
    Reason.NO_HEADER: _said(
        "No row names the columns. Put the column names into one row above the data.",
        "找不到列标题行。请在数据上方用一行写明各列名称。",
    ),
    Reason.NO_DATA: _said(
        "The answer has no list in it. An empty list is sent as [].",
        "应答中没有名单。空名单请以 [] 表示。",
    ),
    Reason.ERROR_ANSWER: _said(
        "The answer reports an error of the sending system instead of data.",
        "应答为发送方系统的错误信息，而非数据。",
    ),
    Reason.TRUNCATED: _said(
        "The data break off. Send them whole again.", "数据不完整，中途中断。请完整重发。"
    ),
    Reason.MALFORMED: _said(
        "The row cannot be taken apart. Check quotation marks and separators.",
        "该行无法解析。请检查引号与分隔符。",
    ),
    Reason.TOO_LONG: _said(
        "A value or the whole row is longer than any real one.",
        "某个值或整行过长，不符合实际。",
    ),
    Reason.EXTRA_CELLS: _said(
        "The row has more cells than there are columns: a separator inside a value?",
        "该行的单元格多于列数：值中是否含有分隔符？",
    ),
    Reason.MISSING: _said("A value that must be there is not.", "缺少必填的值。"),
    Reason.INVALID: _said("The value has no form we can read.", "该值的格式无法识别。"),
    Reason.UNKNOWN_VALUE: _said(
        "The value is none of those agreed on.", "该值不在约定的取值范围内。"
    ),
    Reason.NOT_SPECIFIED: _said(
        "The record has a member that is not in the specification.",
        "记录中有规范未定义的字段。",
    ),
    Reason.IMPLAUSIBLE_DATE: _said(
        "The date is too far from today to be meant.", "日期与当前日期相差过大，应有误。"
    ),
    Reason.NUMBER_DESTROYED: _said(
        "The spreadsheet kept the document number as a number and lost its last digits. "
        "Format the column as text and enter the numbers again from the source.",
        "电子表格将证件号码存为数值，末尾数字已丢失。请将该列设为文本格式，"
        "并从原始数据重新填入号码。",
    ),
    Reason.NUMBER_MASKED: _said(
        "The document number is masked. It must be sent whole.",
        "证件号码已脱敏。须提供完整号码。",
    ),
    Reason.NO_KEY: _said(
        "The row has neither a ticket number nor a seat to tell it from others.",
        "该行既无票号也无席位，无法与其他行区分。",
    ),
    Reason.NOT_EDIFACT: _said(
        "No UN/EDIFACT interchange begins in it. Send PAXLST with its UNB or UNH segment.",
        "其中没有 UN/EDIFACT 报文。请发送含 UNB 或 UNH 段的 PAXLST。",
    ),
    Reason.NOT_GTFS: _said(
        "This is no GTFS zip, or one of its necessary tables or columns is missing.",
        "不是 GTFS 压缩包，或缺少必需的表或列。",
    ),
    Reason.NOT_GTFS_RT: _said(
        "This is no GTFS-Realtime message. Send the binary feed, not its text or JSON form.",
        "不是 GTFS-Realtime 消息。请发送二进制格式，而非文本或 JSON 格式。",
    ),
    Reason.NO_STOPS: _said(
        "None of this hub's stops is in the timetable. Check the stop codes of the feed.",
        "时刻表中没有本枢纽的站点。请检查该数据源的站点代码。",
    ),
    Reason.NO_FLIGHT: _said(
        "Nothing says which flight these people are on.", "未说明这些人员所乘的航班。"
    ),
    Reason.NOT_HERE: _said(
        "No leg of the list ends at this hub.", "名单中没有到达本枢纽的航段。"
    ),
    Reason.NO_TIME: _said(
        "The trip has no time at its first or last stop.", "该车次的首站或末站没有时间。"
    ),
    Reason.NO_LEGAL_BASIS: _said(
        "The alert names no legal basis. Without one nobody is looked for.",
        "预警未注明法律依据。没有法律依据的预警不予受理。",
    ),
    Reason.NO_HEALTH_REASON: _said(
        "The alert has no health reason. People are looked for here for no other.",
        "预警没有健康方面的原因。本系统不受理其他原因的预警。",
    ),
    Reason.NO_END: _said(
        "The alert has no end. Tell until when it holds.", "预警没有截止时间。请注明有效期限。"
    ),
    Reason.VALID_TOO_LONG: _said(
        "It would hold for more than 14 days. Send it for a shorter time, and again if needed.",
        "有效期超过 14 天。请缩短有效期，需要时可再次发送。",
    ),
    Reason.SYNTHETIC_DOCUMENT: _said(
        "The document is an invented one, and this hub is for real people.",
        "该证件为虚构证件，本枢纽仅用于真实旅客。",
    ),
    Reason.RUN_CLOSED: _said(
        "The run had been closed: whoever was missing then has been told of.",
        "该车次已关闭：未到旅客已处理完毕。",
    ),
    Reason.PERIOD: _said(
        "The period ends before it begins, or is longer than fourteen days.",
        "有效期的结束早于开始，或超过十四天。",
    ),
    Reason.NOT_STORABLE: _said(
        "The row was read and holds something that cannot be stored. Tell us of it.",
        "该行可以读取，但含有无法存储的内容。请告知我们。",
    ),
    Reason.KEY_GONE: _said(
        "The time for which deliveries are kept is over.", "数据的保存期限已过。"
    ),
    Reason.FAILED: _said(
        "It could not be applied, by a fault of ours. Tell us of it, and apply it again later.",
        "程序出错，数据未能处理。请告知我们，并稍后重新处理。",
    ),
}
