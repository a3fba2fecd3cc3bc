"""Where a traveller sits, in one spelling: coach and seat without leading zeros."""

import re
from typing import Final

_COACH: Final = re.compile(r"(加?)0*(\d{1,2})(?:号?车厢?|coach|car)?", re.IGNORECASE)
_PLACE: Final = re.compile(
    r"(?:(加?)0*(\d{1,2})(?:号?车厢?|[-/]))?"
    r"(?:0*(\d{1,3})?(?:[号排])?([A-Z])?(?:[号座])*([上中下])?铺?|无座|不对号|站票|无席)"
)


def read_seat(
    coach: str | None, seat: str | None
) -> tuple[str | None, str | None, tuple[str, ...]]:
    """Coach, seat and what was in no known form. `05车12F号` and `5-12F` are coach 5, seat 12F.

    A spreadsheet makes days of some seats; those are lost, the traveller is not.
    """
    doubts: tuple[str, ...] = ()
    told, sits = None, None
    if coach:
        found = _COACH.fullmatch(coach.replace(" ", ""))
        told = f"{found[1]}{found[2]}" if found else None
        doubts = () if found else ("coach-unreadable",)
    if seat:
        found = _PLACE.fullmatch(seat.replace(" ", "").upper())
        if found is None:
            doubts = (*doubts, "seat-unreadable")
        else:
            extra, number, digits, letter, berth = found.groups(default="")
            told = told or f"{extra}{number}" or None
            sits = f"{digits}{letter}{berth}" or None
    return told, sits, doubts
