"""Codes of other systems for kinds of document.

One table, as far as our sources give it: seen in public interfaces, but for those of 12306
beside `1` and for GA/T 517, which are from memory.
"""

from enum import StrEnum
from typing import Final

from twinstile.identity import documents
from twinstile.identity.types import DocumentKind


class System(StrEnum):
    """Whose codes."""

    GATE = "GATE"
    """`certificate_type` of gate interfaces beside GB/T 38961."""
    WS_364_3 = "WS_364_3"
    """Health information, CV02.01.101."""
    RAIL_12306 = "RAIL_12306"
    GA_T_517 = "GA_T_517"
    """Public security."""
    PAXLST = "PAXLST"
    """UN/EDIFACT data element 1001 in DOC; T as China's iAPI sends it."""


_K = DocumentKind
CODES: Final = (
    (System.GATE, "10", _K.RESIDENT_ID),
    (System.GATE, "14", _K.HK_MACAU_PERMIT),
    (System.GATE, "15", _K.TAIWAN_PERMIT),
    (System.GATE, "16", _K.TAIWAN_PERMIT),  # for one journey
    (System.GATE, "20", _K.PASSPORT),
    (System.GATE, "34", _K.FOREIGN_RESIDENT_CARD),
    (System.GATE, "99", _K.OTHER),
    (System.WS_364_3, "01", _K.RESIDENT_ID),
    (System.WS_364_3, "06", _K.HK_MACAU_PERMIT),
    (System.WS_364_3, "07", _K.TAIWAN_PERMIT),
    (System.WS_364_3, "99", _K.OTHER),
    (System.RAIL_12306, "1", _K.RESIDENT_ID),
    (System.RAIL_12306, "B", _K.PASSPORT),
    (System.RAIL_12306, "C", _K.HK_MACAU_PERMIT),
    (System.RAIL_12306, "G", _K.TAIWAN_PERMIT),
    (System.RAIL_12306, "H", _K.FOREIGN_RESIDENT_CARD),
    (System.GA_T_517, "111", _K.RESIDENT_ID),
    (System.PAXLST, "P", _K.PASSPORT),
    (System.PAXLST, "V", _K.VISA),
    (System.PAXLST, "T", _K.TAIWAN_PERMIT),
)
_KINDS: Final = {(system, code): kind for system, code, kind in CODES}


def kind_of(system: System, code: str, number: str) -> DocumentKind | None:
    """The kind a system means by its code; None for a code that is not in the table.

    Both cards of foreign permanent residents have one code, and the number tells which it is.
    Raises `InvalidText`, see `documents.normalise`.
    """
    kind = _KINDS.get((system, code))
    if kind is _K.FOREIGN_RESIDENT_CARD and documents.is_resident_number(number):
        return _K.RESIDENT_ID
    return kind
