"""Papers of people who do not exist, well-formed so that a checking service accepts them.

Resident IDs begin with 77, which GB/T 2260 assigns to no province, and end in a valid
GB 11643 check character (ISO 7064 MOD 11-2). Passports are ICAO Doc 9303 TD3 issued by UTO,
the state that exists only in specimens.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

ISSUER = "UTO"
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"


@dataclass(frozen=True, slots=True)
class InventedDocument:
    """A travel document as the gate's reader sees it."""

    kind: str
    number: str
    issuer: str | None = None
    mrz: tuple[str, str] | None = None


def resident_id(area: int, birth: date, serial: int) -> InventedDocument:
    """Make a resident ID; `area` (0-9999) and `serial` (0-999) keep it unique."""
    return _numbered(f"77{area:04d}{birth:%Y%m%d}{serial:03d}")


def passport(
    number: str, surname: str, given_names: str, birth: date, expiry: date
) -> InventedDocument:
    """Make a TD3 passport; sex is left unspecified, as Doc 9303 allows."""
    names = f"P<{ISSUER}{surname}<<{given_names}".upper().replace(" ", "<")[:44].ljust(44, "<")
    holder, until = f"{birth:%y%m%d}", f"{expiry:%y%m%d}"
    checked = [field + _mrz_check(field) for field in (number.ljust(9, "<"), holder, until)]
    optional = "<" * 14 + _mrz_check("<" * 14)
    composite = _mrz_check(checked[0] + checked[1] + checked[2] + optional)
    line = f"{checked[0]}{ISSUER}{checked[1]}<{checked[2]}{optional}{composite}"
    return InventedDocument("PASSPORT", number, ISSUER, (names, line))


GROWN_UP = date(1985, 3, 2)
RISK_AREA = "610113"
"""A county that the policy of the afternoon lists."""
LISTED_AREA = "410302"
"""A county that the health department lists before noon."""
_GUESTS_AREA = 9000
"""The crowd has the areas of its trains, which are fewer."""


def guest_id(serial: int) -> InventedDocument:
    """Make the resident ID of a grown-up guest."""
    return resident_id(_GUESTS_AREA + serial // 1000, GROWN_UP, serial % 1000)


def child_id(serial: int) -> InventedDocument:
    """Make the resident ID of a child."""
    return resident_id(_GUESTS_AREA + serial // 1000, date(2018, 5, 4), serial % 1000)


def no_papers(_: int) -> None:
    """Some have none."""


def eriksson(serial: int) -> InventedDocument:
    """Make the passport of a grown-up guest of that name, to be read by its zone."""
    return passport(f"G{serial:08d}", "Eriksson", "Anna", GROWN_UP, date(2035, 1, 1))


def _permanent_resident(serial: int) -> InventedDocument:
    """Number a card of 2023: a 9, and no province where one would be."""
    return _numbered(f"977{serial % 1000:03d}{GROWN_UP:%Y%m%d}{serial % 1000:03d}")


def _of_specimen(kind: str, number: str) -> Callable[[int], InventedDocument]:
    return lambda serial: InventedDocument(kind, number.format(serial), ISSUER)


GUEST_PAPERS: Mapping[str, Callable[[int], InventedDocument]] = {
    "residence permit": lambda serial: resident_id(9990, GROWN_UP, serial % 1000),
    "permanent resident card of 2017": _of_specimen("FOREIGN_RESIDENT_CARD", "UTO11000{:07d}"),
    "permanent resident card of 2023": _permanent_resident,
    "Hong Kong and Macau permit": _of_specimen("HK_MACAU_PERMIT", "H{:08d}"),
    "Taiwan permit": _of_specimen("TAIWAN_PERMIT", "{:08d}"),
    "passport, read by its zone": eriksson,
    "passport, typed": _of_specimen("PASSPORT", "E{:08d}"),
    "foreign identity card": _of_specimen("ID_CARD", "D{:08d}"),
    "visa": _of_specimen("VISA", "V{:08d}"),
    "temporary identity card": _of_specimen("TEMPORARY_ID", "T-{:06d}"),
    "household register": _of_specimen("HOUSEHOLD_REGISTER", "R-{:06d}"),
    "birth certificate": _of_specimen("BIRTH_CERTIFICATE", "B-{:06d}"),
    "military card": _of_specimen("MILITARY_ID", "M-{:06d}"),
    "police card": _of_specimen("POLICE_ID", "P-{:06d}"),
    "other paper": _of_specimen("OTHER", "O-{:06d}"),
}
"""Every kind of document a guest may carry; all are of nobody."""


def _numbered(body: str) -> InventedDocument:
    total = sum(int(digit) * weight for digit, weight in zip(body, _ID_WEIGHTS, strict=True))
    return InventedDocument("RESIDENT_ID", body + _ID_CHECKS[total % 11])


def _mrz_check(text: str) -> str:
    """Digits count as themselves, A-Z as 10-35, the filler as 0; weights 7 3 1, modulo 10."""
    values = (0 if character == "<" else int(character, 36) for character in text)
    return str(sum(value * (7, 3, 1)[index % 3] for index, value in enumerate(values)) % 10)
