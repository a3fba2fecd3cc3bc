"""The blank form for hours without the service: one A4 page a traveller, English and Chinese.

Printed beforehand, because nothing prints in an outage. Every page has a number of its own,
which is keyed in with it; what the form asks is what a check can hold.
"""

import html
from collections.abc import Iterator, Sequence
from typing import Final

from twinstile.platform.security.hub_modes import HubMode
from twinstile.screening.types import Verdict
from twinstile.screening.words import VERDICTS, Phrase

MOST: Final = 1000
"""Pages of one file."""

TITLE: Final = Phrase("Health screening without the service", "健康核验手工登记表")
NOTE: Final = Phrase(
    "Keep every form. Key it in at the desk within 72 hours, then lock it away.",
    "请妥善保管，72小时内在服务台补录，补录后封存。",
)
PRACTICE: Final = Phrase("PRACTICE: invented people only", "演练专用 · 仅限虚构人员")
FIGURE: Final = Phrase("", "")
"""A line to write a figure on, among things to tick."""
FIELDS: Final[Sequence[tuple[Phrase, Sequence[Phrase]]]] = (
    (Phrase("Lane", "通道"), ()),
    (Phrase("Date and time (24 h)", "日期和时间（24小时制）"), ()),
    (Phrase("Train, flight or ship", "车次／航班／船次"), ()),
    (Phrase("Name", "姓名"), ()),
    (
        Phrase("Document", "证件"),
        (
            Phrase("resident ID", "居民身份证"),
            Phrase("passport", "护照"),
            Phrase("permit", "通行证／居住证"),
            Phrase("other", "其他"),
        ),
    ),
    (Phrase("Number and issuer", "号码及签发机关"), ()),
    (
        Phrase("Belongs to the person", "人证相符"),
        (Phrase("yes", "是"), Phrase("no", "否"), Phrase("not checked", "未核对")),
    ),
    (
        Phrase("Temperature °C", "体温（℃）"),
        (
            FIGURE,
            Phrase("contactless", "非接触"),
            Phrase("ear", "耳温"),
            Phrase("axillary", "腋温"),
            Phrase("not measured", "未测"),
        ),
    ),
    (
        Phrase("Second reading °C", "复测体温（℃）"),
        (FIGURE, Phrase("ear", "耳温"), Phrase("axillary", "腋温")),
    ),
    (
        Phrase("Health credential", "健康凭证"),
        (
            Phrase("green", "绿"),
            Phrase("yellow", "黄"),
            Phrase("red", "红"),
            Phrase("not shown", "未出示"),
        ),
    ),
    (Phrase("Reminded here (R2)", "站内提醒（R2）"), (Phrase("yes", "是"), Phrase("no", "否"))),
    (
        Phrase("Service S1 / S2", "服务 S1／S2"),
        (
            Phrase("S1 offered", "S1 已提供"),
            Phrase("S2 offered", "S2 已提供"),
            Phrase("declined", "谢绝"),
        ),
    ),
    (Phrase("Visibly severely ill", "明显重症"), (Phrase("yes", "是"), Phrase("no", "否"))),
    (Phrase("Decision", "处置"), tuple(VERDICTS[verdict] for verdict in Verdict)),
    (Phrase("Officer (name, sign)", "核验人员（签名）"), ()),
)
DESK: Final = (
    Phrase("Keyed in by, date and time", "补录人、日期时间"),
    Phrase("Fever: compared by a second person", "发热：第二人核对"),
)

_STYLE: Final = """
@page { size: A4; margin: 12mm }
* { box-sizing: border-box }
body { font: 11pt/1.3 "Noto Sans", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif;
  margin: 0; color: #000 }
section { height: 272mm; width: 186mm; overflow: hidden; page-break-after: always;
  display: flex; flex-direction: column }
h1 { font-size: 15pt; margin: 0; display: flex; justify-content: space-between;
  border-bottom: 2pt solid #000; padding-bottom: 2mm }
.no { font: bold 17pt monospace; white-space: nowrap }
p { margin: 2mm 0 }
.practice { border: 2pt dashed #000; text-align: center; font-weight: bold; padding: 2mm }
table { border-collapse: collapse; width: 100%; flex: 1 }
th, td { border: .5pt solid #000; padding: 1mm 2mm; text-align: left; vertical-align: middle }
th { width: 52mm; font-weight: normal; background: #eee;
  -webkit-print-color-adjust: exact; print-color-adjust: exact }
small { display: block }
.choice { display: inline-block; margin-right: 5mm; white-space: nowrap }
.choice::before { content: "\\2610\\00a0"; font-size: 14pt }
.figure { display: inline-block; width: 22mm; margin-right: 5mm;
  border-bottom: .5pt solid #000 }
.desk th { background: #fff }
"""


def pages(hub: str, mode: HubMode, numbers: Sequence[str]) -> str:
    """An HTML file that prints one A4 page for each number; it needs nothing from elsewhere."""
    sheets = "\n".join("".join(_sheet(hub, mode, number)) for number in numbers)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{TITLE.en}</title><style>{_STYLE}</style></head>\n<body>{sheets}</body></html>\n"
    )


def _sheet(hub: str, mode: HubMode, number: str) -> Iterator[str]:
    yield f'<section><h1><span>{_both(TITLE)}</span><span class="no">{number}</span></h1>'
    yield f"<p>{html.escape(hub)}</p>"
    if mode is not HubMode.PRODUCTION:
        yield f'<p class="practice">{_both(PRACTICE)}</p>'
    yield "<table>"
    for label, choices in FIELDS:
        yield f"<tr><th>{_both(label)}</th><td>"
        yield from map(_choice, choices)
        yield "</td></tr>"
    yield from (f'<tr class="desk"><th>{_both(label)}</th><td></td></tr>' for label in DESK)
    yield f"</table><p>{_both(NOTE)}</p></section>"


def _choice(phrase: Phrase) -> str:
    if phrase is FIGURE:
        return '<span class="figure"></span>'
    return f'<span class="choice">{phrase.en} <span lang="zh-CN">{phrase.zh_cn}</span></span>'


def _both(phrase: Phrase) -> str:
    return f'{html.escape(phrase.en)}<small lang="zh-CN">{html.escape(phrase.zh_cn)}</small>'
