"""Which divisions there are (GB/T 2260), as far as we know without copying anybody's list.

A number keeps the division it was given in through every reform, so this is information and
never a reason to refuse. Provinces are known here, and of single divisions the years that our
sources give; an operator may load a whole list.
"""

import csv
import functools
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinstile.platform.ops import config_files
from twinstile.platform.ops.config_files import InvalidFile

MOST_BYTES: Final = 4 << 20
"""GB/T 2260 has had some 6,000 divisions since 1980, each a line."""
_ALWAYS: Final = (0, 9999)

PROVINCES: Final = frozenset(
    greater + province
    for greater, provinces in {
        "1": "12345",
        "2": "123",
        "3": "1234567",
        "4": "123456",
        "5": "01234",
        "6": "12345",
        "7": "1",
        "8": "123",
    }.items()
    for province in provinces
)
"""By their first digit, a greater region; 81 to 83 are Hong Kong, Macau and Taiwan."""


@dataclass(frozen=True, slots=True)
class Regions:
    """The first and the last year of each division that is known, by its six digits."""

    years: Mapping[str, tuple[int, int]]
    whole: bool = False
    """Whether a division that is not here does not exist."""

    def knows(self, code: str, born: int | None) -> bool:
        """Whether somebody born in that year can have the division in their number."""
        if code[:2] not in PROVINCES:
            return False
        if code not in self.years:
            return not self.whole
        return born is None or born <= self.years[code][1]


BUILT_IN: Final = Regions(
    {
        "330113": (2021, 9999),  # Hangzhou: Linping and Qiantang, which libraries do not know
        "330114": (2021, 9999),
        "330184": (0, 2001),  # Yuhang as a city; like the next one's, its end is from memory
        "510202": (0, 1997),  # Chongqing, while it was a part of Sichuan
    }
)


@functools.lru_cache(maxsize=4)
def load(path: Path | None) -> Regions:
    """The operator's list, else what is built in.

    CSV in UTF-8 with a header: `code`, and the years `since` and `until`, empty where open;
    other columns are ignored. It is taken for whole. Raises `InvalidFile`.
    """
    if path is None:
        return BUILT_IN
    years: dict[str, tuple[int, int]] = {}
    try:
        text = config_files.read(path, MOST_BYTES).decode("utf-8-sig")
        for number, row in enumerate(csv.DictReader(io.StringIO(text, newline="")), 2):
            code, *span = (row.get(name) or "" for name in ("code", "since", "until"))
            try:
                first, last = (int(y or d) for y, d in zip(span, _ALWAYS, strict=True))
            except ValueError:
                raise InvalidFile(f"{path}, line {number}: no year") from None
            if len(code) != 6 or not code.isdecimal() or not first <= last:
                raise InvalidFile(f"{path}, line {number}: code, since, until")
            years[code] = (first, last)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidFile(f"{path} cannot be read") from error
    if not years:
        raise InvalidFile(f"{path} holds no division")
    return Regions(years, whole=True)
