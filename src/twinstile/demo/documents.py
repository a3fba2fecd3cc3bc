"""Papers of people who do not exist, well-formed so that a checking service accepts them.

Resident IDs begin with 77, which GB/T 2260 assigns to no province, and end in a valid
GB 11643 check character (ISO 7064 MOD 11-2). Passports are ICAO Doc 9303 TD3 issued by UTO,
the state that exists only in specimens.
"""

from dataclasses import dataclass
from datetime import date

ISSUER = "UTO"
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"


@dataclass(frozen=True, slots=True)
class Document:
    """A travel document as the gate's reader sees it."""

    kind: str
    number: str
    issuer: str | None = None
    mrz: tuple[str, str] | None = None


def resident_id(area: int, birth: date, serial: int) -> Document:
    """Make a resident ID; `area` (0-9999) and `serial` (0-999) keep it unique."""
    body = f"77{area:04d}{birth:%Y%m%d}{serial:03d}"
    total = sum(int(digit) * weight for digit, weight in zip(body, _ID_WEIGHTS, strict=True))
    return Document("RESIDENT_ID", body + _ID_CHECKS[total % 11])


def passport(number: str, surname: str, given: str, birth: date, expiry: date) -> Document:
    """Make a TD3 passport; sex is left unspecified, as Doc 9303 allows."""
    names = f"P<{ISSUER}{surname}<<{given}".upper().replace(" ", "<")[:44].ljust(44, "<")
    holder, until = f"{birth:%y%m%d}", f"{expiry:%y%m%d}"
    checked = [field + _mrz_check(field) for field in (number.ljust(9, "<"), holder, until)]
    optional = "<" * 14 + _mrz_check("<" * 14)
    composite = _mrz_check(checked[0] + checked[1] + checked[2] + optional)
    line = f"{checked[0]}{ISSUER}{checked[1]}<{checked[2]}{optional}{composite}"
    return Document("PASSPORT", number, ISSUER, (names, line))


def _mrz_check(text: str) -> str:
    """Digits count as themselves, A-Z as 10-35, the filler as 0; weights 7 3 1, modulo 10."""
    values = (0 if character == "<" else int(character, 36) for character in text)
    return str(sum(value * (7, 3, 1)[index % 3] for index, value in enumerate(values)) % 10)
