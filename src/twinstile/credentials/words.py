"""What officers are told of a credential, in English and Chinese."""

from collections.abc import Mapping
from typing import Final

from twinstile.credentials.types import (
    Assessment,
    CredentialOutcome,
    CredentialStatus,
    Freshness,
    MatchReason,
)

Text = Mapping[str, str]


def _said(en: str, zh_cn: str) -> Text:
    return {"en": en, "zh-CN": zh_cn}


OUTCOMES: Final[Mapping[CredentialOutcome, Text]] = {
    CredentialOutcome.VERIFIED: _said(
        "Genuine, valid and this person's.", "真实有效，且属于本人。"
    ),
    CredentialOutcome.NOT_FOUND: _said(
        "The provider knows no such code: ask for another proof.",
        "平台查无此码：请出示其他证明。",
    ),
    CredentialOutcome.NOT_SUPPORTED: _said(
        "Not a code that can be checked here: ask for another proof.",
        "此处无法核验该码：请出示其他证明。",
    ),
    CredentialOutcome.INVALID_ENCODING: _said(
        "The code cannot be read: scan it again.", "无法识读：请重新扫描。"
    ),
    CredentialOutcome.INVALID_COMPRESSION: _said(
        "The code cannot be read: scan it again.", "无法识读：请重新扫描。"
    ),
    CredentialOutcome.INVALID_SIGNING_FORMAT: _said(
        "Not signed as it has to be: look at it by hand.", "签名格式不符：请人工核验。"
    ),
    CredentialOutcome.INVALID_CONTENT: _said(
        "Signed, but not what a certificate holds: look at it by hand.",
        "签名有效但内容不符规范：请人工核验。",
    ),
    CredentialOutcome.KID_NOT_INCLUDED: _said(
        "It does not say whose key signed it: look at it by hand.",
        "未注明签发密钥：请人工核验。",
    ),
    CredentialOutcome.ISSUER_NOT_TRUSTED: _said(
        "Its issuer is not on our list: look at it by hand.",
        "签发方不在信任列表：请人工核验。",
    ),
    CredentialOutcome.TERMINATED_KEYS: _said(
        "Its issuer took back the key it is signed with.", "签发密钥已被撤下。"
    ),
    CredentialOutcome.EXPIRED_KEYS: _said(
        "The key it is signed with is over.", "签发密钥已过期。"
    ),
    CredentialOutcome.REVOKED_KEYS: _said(
        "The key it is signed with is refused here.", "签发密钥已被拒用。"
    ),
    CredentialOutcome.KEY_USAGE_MISMATCH: _said(
        "Its key may not sign such a certificate.", "该密钥无权签发此类证书。"
    ),
    CredentialOutcome.INVALID_SIGNATURE: _said("The signature is false.", "签名不符。"),
    CredentialOutcome.NOT_YET_VALID: _said("Not valid yet.", "尚未生效。"),
    CredentialOutcome.EXPIRED: _said("Over.", "已过期。"),
    CredentialOutcome.REVOKED: _said("Revoked.", "已被吊销。"),
    CredentialOutcome.STALE_SNAPSHOT: _said(
        "Our trust list is too old to say: look at it by hand.",
        "信任列表过旧，无法判定：请人工核验。",
    ),
    CredentialOutcome.POLICY_FAILED: _said(
        "Genuine, but it does not meet the rules.", "真实，但不符合规定要求。"
    ),
    CredentialOutcome.SUBJECT_MISMATCH: _said(
        "It is another person's than the document shown.", "与所持证件不是同一人。"
    ),
    CredentialOutcome.SUBJECT_UNCONFIRMED: _said(
        "Compare name and birth date with the document yourself.",
        "请人工比对姓名与出生日期。",
    ),
    CredentialOutcome.NO_TRUST_LIST: _said(
        "There is no trust list here yet: look at it by hand.",
        "本站尚无信任列表：请人工核验。",
    ),
    CredentialOutcome.PROVIDER_UNAVAILABLE: _said(
        "The provider gave no usable answer: nothing is known.",
        "平台未给出可用应答：情况未知。",
    ),
    CredentialOutcome.PROVIDER_TIMEOUT: _said(
        "The provider did not answer in time: nothing is known.",
        "平台未及时应答：情况未知。",
    ),
    CredentialOutcome.PROVIDER_ANSWERED: _said(
        "The provider answered, and not green: see the status.",
        "平台已应答，且非绿码：见状态。",
    ),
}

STATED: Final[Mapping[CredentialStatus, Text]] = {
    CredentialStatus.YELLOW: _said("The provider says yellow.", "平台答复：黄码。"),
    CredentialStatus.RED: _said("The provider says red.", "平台答复：红码。"),
    CredentialStatus.UNDER_REVIEW: _said(
        "The provider has not decided yet.", "平台答复：审核中。"
    ),
    CredentialStatus.EXPIRED: _said(
        "The provider says the code is over: have it renewed.", "平台答复：该码已过期，请更新。"
    ),
    CredentialStatus.STALE: _said(
        "The code is an old one, as on a screenshot: have it shown anew.",
        "该码未及时刷新（可能为截图）：请重新出示。",
    ),
    CredentialStatus.INVALID: _said(
        "The provider says the code is not genuine.", "平台答复：该码无效。"
    ),
}
"""Of a provider that answered, and not green."""

_MAYBE_OLD: Final = _said(
    "Its issuer is not on our list, which may be old: look at it by hand.",
    "签发方不在信任列表（列表可能较旧）：请人工核验。",
)
_CLAIMED: Final = _said(" It names {issuer}.", "自称签发方：{issuer}。")


def explain_outcome(assessment: Assessment, why: CredentialOutcome) -> Text:
    """What speaks against a credential, as exactly as it is known."""
    if why is CredentialOutcome.PROVIDER_ANSWERED and assessment.stated is not None:
        return STATED.get(assessment.stated, OUTCOMES[why])
    if why is not CredentialOutcome.ISSUER_NOT_TRUSTED:
        return OUTCOMES[why]
    said = OUTCOMES[why] if assessment.freshness is Freshness.FRESH else _MAYBE_OLD
    if assessment.claimed_issuer is None:
        return said
    return {
        language: text + _CLAIMED[language].format(issuer=assessment.claimed_issuer)
        for language, text in said.items()
    }


MATCHES: Final[Mapping[MatchReason, Text]] = {
    MatchReason.NUMBER_AGREES: _said("The document's number agrees.", "证件号码一致。"),
    MatchReason.NUMBER_DIFFERS: _said("The document's number differs.", "证件号码不一致。"),
    MatchReason.BIRTH_DATE_DIFFERS: _said("The birth date differs.", "出生日期不一致。"),
    MatchReason.BIRTH_DATE_PARTIAL: _said(
        "The birth date agrees as far as it is told.", "出生日期不完整，已知部分一致。"
    ),
    MatchReason.BIRTH_DATE_UNKNOWN: _said("The birth date is not told.", "出生日期未知。"),
    MatchReason.NAME_PARTS_LEFT_OUT: _said(
        "Parts of the name are left out.", "姓名部分缺省或被遮盖。"
    ),
    MatchReason.NAME_CUT_SHORT: _said("The name is cut short.", "姓名被截短。"),
    MatchReason.NAMES_SWAPPED: _said("Family and given name are swapped.", "姓与名位置互换。"),
    MatchReason.NAME_SPELT_OTHERWISE: _said("The name is spelt otherwise.", "姓名拼写不同。"),
    MatchReason.NAME_DIFFERS: _said("The name differs.", "姓名不一致。"),
    MatchReason.NAME_IN_OTHER_SCRIPT: _said(
        "The name is in another script.", "姓名使用其他文字。"
    ),
}

FRESHNESS: Final[Mapping[Freshness, Text]] = {
    Freshness.FRESH: _said("Trust list up to date.", "信任列表为最新。"),
    Freshness.AGING: _said(
        "Trust list over a day old: results count, and it should be renewed.",
        "信任列表已超过一天：结果有效，应尽快更新。",
    ),
    Freshness.OLD: _said(
        "Trust list over three days old: no result is better than yellow.",
        "信任列表已超过三天：结果最多为黄色。",
    ),
    Freshness.OVER: _said(
        "Trust list past its end: nothing is known of any certificate.",
        "信任列表已失效：无法判定任何证书。",
    ),
}
