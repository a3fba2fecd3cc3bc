"""Documents as lists name them: kinds by the codes of several systems, and whole numbers.

Used wherever a list speaks of persons.
"""

import datetime as dt
import re
from typing import Final

from twinstile.arrivals.formats import rows, values
from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.formats.rows import Row
from twinstile.arrivals.records import DocumentClaim, Reject
from twinstile.identity import documents
from twinstile.identity.types import DocumentKind, InvalidText, Sex

LONGEST_NAME: Final = 200

KINDS: Final = rows.words_of(DocumentKind, "document-kind")
"""Kinds of documents by names and codes: of 12306, gates, WS 364.3 and GA/T 517."""
_SEXES: Final = rows.words_of(Sex, "sex")

_DESTROYED: Final = re.compile(r"\d(\.\d+)?e\+?\d+", re.IGNORECASE)
_ROUNDED: Final = re.compile(r"[0-9]{15}000")
_MASKED: Final = re.compile(r"[*＊●•#]{2}|[xX]{4}")  # noqa: RUF001 -- full width
_PEOPLE_FROM: Final = dt.date(1880, 1, 1)


def document_claim(row: Row) -> DocumentClaim | Reject | None:
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
    kind = KINDS.get(rows.fold(code or ""))
    if code and kind is None:
        return row.reject(RejectReason.UNKNOWN_VALUE, "kind")
    if kind in {None, DocumentKind.FOREIGN_RESIDENT_CARD} and documents.is_resident_number(
        number
    ):
        kind = (
            DocumentKind.RESIDENT_ID
        )  # the card of 2023 has such a number, and the code of the old one
    return DocumentClaim(
        kind or documents.classify(number)[0],
        number,
        _short(row.get("issuer"), documents.NUMBER_LIMIT),
        _short(row.cells.get("name"), LONGEST_NAME),
        _born(row),
        _SEXES.get((row.get("sex") or "").lower()),
    )


def _number(told: str) -> tuple[RejectReason | None, str]:
    if _DESTROYED.fullmatch(told):
        return RejectReason.NUMBER_DESTROYED, ""
    if _MASKED.search(told):
        return RejectReason.NUMBER_MASKED, ""
    try:
        number = documents.normalise(told)
    except InvalidText:
        return RejectReason.INVALID, ""
    if _ROUNDED.fullmatch(number) and documents.check_character(number[:17]) != number[17]:
        return RejectReason.NUMBER_DESTROYED, ""
    return None, number


def _born(row: Row) -> dt.date | None:
    born = values.day(row.get("birth_date") or "", row.first_day)
    return born if born and born > _PEOPLE_FROM else None


def _short(found: str | None, limit: int) -> str | None:
    return found if found and len(found) <= limit else None
