"""Documents as lists name them: kinds by the codes of several systems, and whole numbers.

Used wherever a list speaks of persons.
"""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Final

from twinstile.arrivals.formats import rows, values
from twinstile.arrivals.formats.reasons import Reason
from twinstile.arrivals.formats.rows import Row
from twinstile.arrivals.records import DocumentClaim, Reject
from twinstile.identity import documents
from twinstile.identity.types import DocumentKind, InvalidText, Sex

LONGEST_NAME: Final = 200

COLUMNS: Final[Mapping[str, str]] = {
    "number": (
        "证件号码 证件号 证件编号 身份证号 身份证号码 身份证 旅客证件号码 "
        "passenger_id_no id_no id_number id_card document_no document_number doc_no "
        "idno certificate_no card_no passport_no sfzh sfzhm zjhm"
    ),
    "kind": (
        "证件类型 证件种类 证件类别 证件类型代码 passenger_id_type_code id_type "
        "id_type_code document_type document_kind doc_type cert_type zjlx"
    ),
    "issuer": (
        "国籍 签发国 签发机关 国家 国家地区 country_code nationality issuer issuing_state"
    ),
    "name": (
        "姓名 旅客姓名 乘客姓名 乘车人 旅客 中文姓名 passenger_name name full_name passenger xm"
    ),
    "birth_date": "出生日期 生日 born_date birth_date date_of_birth birthday dob csrq",
    "sex": "性别 sex_code sex gender xb",
}
"""What lists of persons call the columns of documents; of Chinese words also the initials."""

_K: Final = DocumentKind
_KINDS: Final[Mapping[DocumentKind, str]] = {
    # the codes are those of 12306, of gates, WS 364.3 CV02.01.101 and GA/T 517
    _K.RESIDENT_ID: (
        "1 2 01 10 111 ni 居民身份证 身份证 二代身份证 二代证 第二代居民身份证 "
        "中国居民身份证 一代身份证 residentid residentidcard residentidentitycard "
        "hmt 港澳台居民居住证 居住证 id"
    ),
    _K.PASSPORT: "b 03 414 pp p passport 护照 外国护照 中国护照 ppocr",
    _K.HK_MACAU_PERMIT: (
        "c 06 hm 516 港澳居民来往内地通行证 港澳通行证 回乡证 往来港澳通行证 hkmacaupermit"
    ),
    _K.TAIWAN_PERMIT: (
        "g 07 tw tp tb 511 台湾居民来往大陆通行证 台湾通行证 台胞证 taiwanpermit"
    ),
    _K.FOREIGN_RESIDENT_CARD: (
        "h fr 553 外国人永久居留身份证 外国人永久居留证 外国人居留证 foreignresidentcard"
    ),
    _K.TEMPORARY_ID: ("3 临时身份证 临时居民身份证 临时身份证明 临时乘车身份证明 temporaryid"),
    _K.HOUSEHOLD_REGISTER: "02 户口簿 户口本 householdregister",
    _K.BIRTH_CERTIFICATE: "出生医学证明 出生证 出生证明 birthcertificate",
    _K.MILITARY_ID: "04 军官证 士兵证 军人证 军人身份证件 militaryid",
    _K.POLICE_ID: "警官证 武警证 人民警察证 policeid",
    _K.ID_CARD: "idcard 外国身份证",
    _K.VISA: "v visa 签证",
    _K.OTHER: "99 other 其他 其它 其他证件",
}
KINDS: Final = rows.table(_KINDS)
"""Kinds of documents by the folded names and codes of senders."""

SEXES: Final[Mapping[str, Sex | None]] = {
    **dict.fromkeys(("1", "m", "男", "male"), Sex.MALE),
    **dict.fromkeys(("2", "f", "女", "female"), Sex.FEMALE),
    **dict.fromkeys(("9", "x", "未说明", "unspecified"), Sex.UNSPECIFIED),
}

_DESTROYED: Final = re.compile(r"\d(\.\d+)?e\+?\d+", re.IGNORECASE)
_ROUNDED: Final = re.compile(r"[0-9]{15}000")
_MASKED: Final = re.compile(r"[*＊●•#]{2}|[xX]{4}")  # noqa: RUF001 -- full width
_PEOPLE_FROM: Final = dt.date(1880, 1, 1)


def claim(row: Row) -> DocumentClaim | Reject | None:
    """The document of a row; None where it has none.

    A number without a kind is of the likeliest; of a code nobody agreed on nothing is guessed.
    """
    told = row.get("number")
    if told is None:
        return None
    fault, number = _number(told)
    if fault is not None:
        return row.reject(fault, "number")
    code = row.get("kind")
    kind = DocumentKind(KINDS[rows.fold(code)]) if code and rows.fold(code) in KINDS else None
    if code and kind is None:
        return row.reject(Reason.UNKNOWN_VALUE, "kind")
    if kind in {None, _K.FOREIGN_RESIDENT_CARD} and documents.is_resident_number(number):
        kind = _K.RESIDENT_ID  # the card of 2023 has such a number, and the code of the old one
    return DocumentClaim(
        kind or documents.classify(number)[0],
        number,
        _short(row.get("issuer"), documents.NUMBER_LIMIT),
        _short(row.cells.get("name"), LONGEST_NAME),
        _born(row),
        SEXES.get((row.get("sex") or "").lower()),
    )


def _number(told: str) -> tuple[Reason | None, str]:
    if _DESTROYED.fullmatch(told):
        return Reason.NUMBER_DESTROYED, ""
    if _MASKED.search(told):
        return Reason.NUMBER_MASKED, ""
    try:
        number = documents.normalise(told)
    except InvalidText:
        return Reason.INVALID, ""
    if _ROUNDED.fullmatch(number) and documents.check_character(number[:17]) != number[17]:
        return Reason.NUMBER_DESTROYED, ""
    return None, number


def _born(row: Row) -> dt.date | None:
    born = values.day(row.get("birth_date") or "", row.first_day)
    return born if born and born > _PEOPLE_FROM else None


def _short(found: str | None, limit: int) -> str | None:
    return found if found and len(found) <= limit else None
