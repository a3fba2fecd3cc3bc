"""Workbooks made by hand, small: what no library of ours writes."""

import io
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_DOC = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PKG = "http://schemas.openxmlformats.org/package/2006"
GENERAL, DAY, TIME, HOURS = range(4)

Value = str | int | float | tuple[float, int]
"""A text, a number, or a number shown as a day, a time or hours beyond a day."""


def letters(column: int) -> str:
    return (letters(column // 26 - 1) if column >= 26 else "") + chr(65 + column % 26)


def cell(value: Value, row: int, column: int) -> str:
    where = f'r="{letters(column)}{row}"'
    if isinstance(value, str):
        return f'<c {where} t="inlineStr"><is><t>{escape(value)}</t></is></c>' if value else ""
    number, style = value if isinstance(value, tuple) else (value, GENERAL)
    return f'<c {where} s="{style}"><v>{number!r}</v></c>'


def sheet(rows: Sequence[Sequence[Value]]) -> str:
    return "".join(
        f'<row r="{number}">{"".join(cell(v, number, n) for n, v in enumerate(row))}</row>'
        for number, row in enumerate(rows, 1)
    )


def xlsx(
    *sheets: Sequence[Sequence[Value]] | str, date1904: bool = False, hidden: Sequence[int] = ()
) -> bytes:
    """A workbook; a sheet may be given as the inside of its `sheetData`."""
    numbers = range(1, len(sheets) + 1)
    state = {n: ' state="hidden"' if n - 1 in hidden else "" for n in numbers}
    listed = "".join(
        f'<sheet name="S{n}" sheetId="{n}"{state[n]} r:id="r{n}"/>' for n in numbers
    )
    related = "".join(
        f'<Relationship Id="r{n}" Type="{_DOC}/worksheet" Target="worksheets/s{n}.xml"/>'
        for n in numbers
    )
    formats = "".join(f'<xf numFmtId="{n}"/>' for n in (0, 14, 20, 46))
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PKG}/content-types"><Default Extension="xml" '
        'ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PKG}/relationships"><Relationship Id="r" '
        f'Type="{_DOC}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_DOC}"><workbookPr '
        f'date1904="{int(date1904)}"/><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PKG}/relationships">{related}'
        f'<Relationship Id="st" Type="{_DOC}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><cellXfs>{formats}</cellXfs>'
        "</styleSheet>",
    }
    for number, rows in enumerate(sheets, 1):
        data = rows if isinstance(rows, str) else sheet(rows)
        parts[f"xl/worksheets/s{number}.xml"] = (
            f'<worksheet xmlns="{_MAIN}"><sheetData>{data}</sheetData></worksheet>'
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as book:
        for name, text in parts.items():
            book.writestr(name, text)
    return packed.getvalue()
