"""What the validator says of a policy, and what to do about it: English and Chinese."""

# ruff: noqa: RUF001 -- Chinese has punctuation of its own

from collections.abc import Mapping
from typing import Final, TypeAlias

Said: TypeAlias = Mapping[str, str]


def _said(en: str, zh_cn: str) -> Said:
    return {"en": en, "zh-CN": zh_cn}


WORDS: Final[Mapping[str, tuple[Said, Said]]] = {
    "unreadable": (
        _said("The document cannot be read: {reason}", "文件无法读取：{reason}"),
        _said("Correct the place named.", "请改正所指出的位置。"),
    ),
    "too-long": (
        _said(
            "Deciding by it takes more than {steps} steps, or a text has more than "
            "{characters} characters.",
            "按此规程作一次判定超过 {steps} 步，或某段文字超过 {characters} 个字符。",
        ),
        _said("Shorten the rules and the texts.", "请精简规则与文字。"),
    ),
    "code-alone": (
        _said(
            "Rule {rule} turns a traveller away only because the health code says {status}. "
            "A code must never be the sole proof (State Council plan 45/2020).",
            "规则 {rule} 仅因健康码状态为 {status} 就劝返或留置旅客。"
            "健康码不得作为通行的唯一凭证（国办发〔2020〕45 号）。",
        ),
        _said(
            "Conclude ASSIST or SECONDARY, or require another finding beside the code.",
            "请改为人工协助（ASSIST）或二次核验（SECONDARY），或增加健康码以外的依据。",
        ),
    ),
    "nobody-passes": (
        _said(
            "Rule {rule} stops even a traveller with nothing amiss: nobody could pass.",
            "规则 {rule} 连一切正常的旅客也会拦下：无人能够通过。",
        ),
        _said("Narrow the condition of the rule.", "请收窄该规则的条件。"),
    ),
    "sign-ignored": (
        _said(
            "Somebody with this sign could pass as if nothing were amiss: {sign}.",
            "有此迹象的旅客可能被当作正常而放行：{sign}。",
        ),
        _said(
            "Add a rule that concludes SECONDARY for it, whatever else is told of them.",
            "请增加一条规则：无论其他情况如何，一律转二次核验（SECONDARY）。",
        ),
    ),
    "nobody-helps": (
        _said(
            "No rule leads to the assisted lane: people without phone or code have no way.",
            "没有任何规则通向人工通道：没有手机或健康码的旅客无法通行。",
        ),
        _said(
            "Add a rule that concludes ASSIST for NOT_PRESENTED and NOT_FOUND.",
            "请增加一条规则：未出示（NOT_PRESENTED）或查无记录（NOT_FOUND）时转人工协助（ASSIST）。",
        ),
    ),
    "threshold-implausible": (
        _said(
            "The fever threshold is {threshold} °C; published ones lie from 36.5 to 38.5 °C.",
            "发热阈值为 {threshold} ℃；公开使用过的阈值在 36.5 至 38.5 ℃ 之间。",
        ),
        _said(
            "Correct threshold_tenths (tenths of °C).",
            "请更正 threshold_tenths（单位 0.1 ℃）。",
        ),
    ),
    "threshold-invalid": (
        _said(
            "The fever threshold of {threshold} °C is not above {least} °C, below which a "
            "reading is invalid: no fever would ever be seen.",
            "发热阈值 {threshold} ℃ 不高于无效读数界限 {least} ℃：发热将无法被发现。",
        ),
        _said(
            "Set invalid_below_tenths well below threshold_tenths.",
            "请将 invalid_below_tenths 设为明显低于 threshold_tenths。",
        ),
    ),
    "deadline-missing": (
        _said("The state {state} has no deadline.", "状态 {state} 没有时限。"),
        _said("Add {state} to deadline_seconds.", "请在 deadline_seconds 中补充 {state}。"),
    ),
    "deferral-without-end": (
        _said(
            "Travellers let through by surge mode or deferral have no due time.",
            "熔断放行或延后核查的旅客没有办结时限。",
        ),
        _said(
            "Add DEFERRED to deadline_seconds, usually 86400 (24 hours).",
            "请在 deadline_seconds 中补充 DEFERRED，通常为 86400（24 小时）。",
        ),
    ),
    "unknown-fact": (
        _said(
            "Rule {rule} reads {fact}, which does not exist.",
            "规则 {rule} 引用了不存在的事实项 {fact}。",
        ),
        _said(
            "Use a fact of the list in docs/policy.md.", "请改用 docs/policy.md 所列的事实项。"
        ),
    ),
    "too-complicated": (
        _said(
            "Rule {rule} depends on too many things at once to be tried out.",
            "规则 {rule} 同时取决于过多因素，无法逐一验证。",
        ),
        _said("Split it into several rules.", "请拆分为多条规则。"),
    ),
    "cannot-be-evaluated": (
        _said(
            "Rule {rule} compares things that cannot be compared; then it applies to anybody.",
            "规则 {rule} 对无法比较的内容作比较；此时它会对所有人生效。",
        ),
        _said(
            'Ask first whether the fact is there (with "if"), and compare like with like.',
            "请先用 if 判断该事实项是否存在，并确保比较的类型一致。",
        ),
    ),
    "never-applies": (
        _said(
            "Rule {rule} can never apply: its conditions exclude each other, or it names a "
            "value that does not exist.",
            "规则 {rule} 永远不会生效：条件互相排斥，或写入了不存在的取值。",
        ),
        _said("Correct the condition or remove the rule.", "请更正条件或删除该规则。"),
    ),
    "always-applies": (
        _said("Rule {rule} applies to every traveller.", "规则 {rule} 对每一位旅客都生效。"),
        _said("Narrow its condition.", "请收窄其条件。"),
    ),
    "contradicts": (
        _said(
            "Rule {rule} is about exactly the same travellers as rule {other}, and concludes "
            "something else.",
            "规则 {rule} 与规则 {other} 针对完全相同的旅客，结论却不同。",
        ),
        _said("Keep one of the two.", "请只保留其中一条。"),
    ),
    "isolation-without-end": (
        _said(
            "Rule {rule} orders {kind} without saying for how many days or from which day.",
            "规则 {rule} 要求 {kind}，但没有写明天数或起算日。",
        ),
        _said(
            "Give days and anchor (LEFT_AREA, ARRIVAL or LAST_CONTACT).",
            "请写明 days 和 anchor（LEFT_AREA、ARRIVAL 或 LAST_CONTACT）。",
        ),
    ),
    "areas-expired": (
        _said(
            "{count} key areas are out of date, the last since {last}.",
            "{count} 个重点地区已过期，最近一个截至 {last}。",
        ),
        _said("Bring the list up to date, or remove them.", "请更新名单或将其删除。"),
    ),
    "home-missing": (
        _said(
            "Key areas are listed, but not where the hub itself lies.",
            "列有重点地区，但没有写明本枢纽所在地。",
        ),
        _said("Add home, the hub's own area code.", "请补充 home（本枢纽所在地区代码）。"),
    ),
    "language-missing": (
        _said("Rule {rule} has no words in {language}.", "规则 {rule} 缺少 {language} 文字。"),
        _said("Add the text for travellers and staff.", "请补充供旅客和工作人员阅读的文字。"),
    ),
    "entry-never-met": (
        _said(
            "Rule {rule} can be met by no certificate: nobody could enter.",
            "规则 {rule} 任何凭证都无法满足：无人能够入境。",
        ),
        _said(
            "Correct the condition: it must be true of whoever may enter.",
            "请更正条件：对可以入境者，条件须为真。",
        ),
    ),
    "entry-always-met": (
        _said(
            "Rule {rule} is met by every certificate: it asks for nothing.",
            "规则 {rule} 任何凭证都能满足：等于没有要求。",
        ),
        _said("Correct the condition or remove the rule.", "请更正条件或删除该规则。"),
    ),
    "entry-expired": (
        _said("These rules were over on {last}.", "本套规则已于 {last} 到期。"),
        _said(
            "Take the rules that hold now, or correct valid_until.",
            "请改用现行规则，或更正 valid_until。",
        ),
    ),
    "title-missing": (
        _said("The policy has no title in {language}.", "防控政策缺少 {language} 标题。"),
        _said("Add the title.", "请补充标题。"),
    ),
}
