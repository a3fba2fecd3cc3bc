"""UN/EDIFACT interchanges (ISO 9735) cut into segments, as tolerantly as carriers write them.

Delimiters come from UNA or are read off the headers; telex lines before, breaks anywhere and
whatever follows UNZ are passed over. One pass, each character looked at a bounded number of
times. Nothing is known here of what a segment means.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.records import UnreadableDelivery

LONGEST_SEGMENT: Final = 64 * 1024
"""Characters; no real one has a tenth. Longer: the terminator is not what the header says."""

_HEADER_REACH: Final = 64 * 1024
_ADVICE: Final = re.compile(r"UNA(.{4,16}?)U\s*N\s*B(?=\s*[^\w\s])", re.DOTALL)
_START: Final = re.compile(r"(?<!\w)U\s*N\s*[BGH]\s*([^\w\s])\s*\w")
_COMPONENT: Final = re.compile(r"(?:UNO[A-Z]|PAXLST)\s*([^\w\s])\s*(?:\d|D)")
_TERMINATOR: Final = r"([^\w\s])\s*(?:U\s*N\s*[GH]|B\s*G\s*M)\s*{}"
_CHARSETS: Final = {
    "UNOC": "iso8859-1",
    "UNOD": "iso8859-2",
    "UNOE": "iso8859-5",
    "UNOF": "iso8859-7",
    "UNOG": "iso8859-3",
    "UNOH": "iso8859-4",
    "UNOI": "iso8859-6",
    "UNOJ": "iso8859-8",
    "UNOK": "iso8859-9",
}
"""Syntax identifiers of ISO 9735-1, annex A. A sender of UNOA has no letters beyond ASCII."""
_HIDDEN: Final = "\ue000\ue001\ue002\ue003"
"""Stand in for released delimiters while a segment is split (private use area)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """`row` counts the segments of the delivery from 1."""

    row: int
    tag: str
    elements: tuple[tuple[str, ...], ...] = ()

    def get(self, element: int, component: int = 0) -> str:
        """A component, empty where the sender wrote none; `element` 1 follows the tag."""
        if element > len(self.elements) or component >= len(self.elements[element - 1]):
            return ""
        return self.elements[element - 1][component]


@dataclass(frozen=True, slots=True)
class _Marks:
    component: str
    element: str
    release: str
    terminator: str


def decode(body: bytes) -> tuple[str, bool]:
    """The text, and whether its encoding is a guess: the headers are often wrong about it."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body.decode("utf-16", "replace"), False
    try:
        return body.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        named = re.search(rb"UNB.(UNO[A-Z])", body[:_HEADER_REACH], re.DOTALL)
        charset = _CHARSETS.get(named[1].decode()) if named else None
        return body.decode(charset or "cp1252", "replace"), charset is None


def segments(text: str) -> Iterator[Segment]:
    """Cut all interchanges of a text. Raises `UnreadableDelivery` where none begins."""
    found = _marks(text, 0)
    if found is None:
        page = re.search(r"<(?:!doctype|html|head|body)\b", text[:4096], re.IGNORECASE)
        raise UnreadableDelivery(RejectReason.HTML if page else RejectReason.NOT_EDIFACT)
    row = 0
    while found is not None:
        marks, at = found
        for written, after in _written(text, at, marks):
            at = after
            segment = _segment(written, row + 1, marks)
            if segment is None:
                continue
            row += 1
            yield segment
            if segment.tag == "UNZ":
                break
        else:
            return
        found = _marks(text, at)


def _marks(text: str, start: int) -> tuple[_Marks, int] | None:
    """Find the next interchange: how it is written and where its first segment begins."""
    end = min(len(text), start + _HEADER_REACH)
    begun = _START.search(text, start, end)
    advice = _ADVICE.search(text, start, end)
    if advice and (begun is None or advice.start() < begun.start()):
        component, element, _, release, *rest = advice[1]
        closing = "".join(rest).strip() or ("\n" if "\n" in rest else " ")
        marks = _Marks(component, element, release.strip(), closing[-1])
        return marks, advice.start(1) + len(advice[1])
    if begun is None:
        return None
    element = begun[1]
    component = _COMPONENT.search(text, begun.start(), end)
    closing = re.compile(_TERMINATOR.format(re.escape(element))).search(
        text, begun.start(), end
    )
    inner = component[1] if component and component[1] != element else ":"
    terminator = closing[1] if closing else "'"
    return _Marks(inner, element, "?", terminator), begun.start()


def _written(text: str, at: int, marks: _Marks) -> Iterator[tuple[str, int]]:
    """Yield each terminated segment with the place after it; what breaks off is left out."""
    ends = re.escape(marks.terminator)
    released = re.escape(marks.release)
    held = rf"(?:[^{released}{ends}]++|{released}.)*+" if released else rf"[^{ends}]*+"
    whole = re.compile(f"({held}){ends}", re.DOTALL)
    while found := whole.match(text, at):
        at = found.end()
        if at - found.start() > LONGEST_SEGMENT:
            raise UnreadableDelivery(RejectReason.TOO_LONG)
        yield re.sub("[\r\n]", "", found[1]), at


def _segment(written: str, row: int, marks: _Marks) -> Segment | None:
    delimiters = (marks.component, marks.element, marks.release, marks.terminator)
    released = bool(marks.release) and marks.release in written
    if released:
        hidden = dict(zip(delimiters, _HIDDEN, strict=True))
        pattern = re.escape(marks.release) + "(.)"
        written = re.sub(pattern, lambda m: hidden.get(m[1], m[1]), written, flags=re.DOTALL)
    tag, *elements = written.split(marks.element)
    tag = "".join(tag.split()).upper()
    if not tag:
        return None
    cut = [tuple(part.strip() for part in e.split(marks.component)) for e in elements]
    if released:
        shown = str.maketrans(dict(zip(_HIDDEN, delimiters, strict=True)))
        cut = [tuple(part.translate(shown) for part in element) for element in cut]
    return Segment(row, tag, tuple(cut))
