"""Names as machine readable zones spell them (ICAO Doc 9303-3, section 6).

Where its tables leave a choice, or states chose differently, a letter has several spellings,
and so has a name. Scripts without such a table (Han, Arabic, Hebrew, …) have none.
"""

import re
import unicodedata
from itertools import islice, product
from typing import Final

MOST_NAME: Final = 128
MOST_WORDS: Final = 10
MOST_SPELLINGS: Final = 8
"""Of one word; what lies beyond is not compared."""

_LATIN: Final = {
    "Ä": "A AE", "Å": "AA A", "Æ": "AE", "Ö": "OE O", "Ø": "OE O", "Œ": "OE", "Ü": "UE U UXX",
    "Ñ": "N NXX", "ß": "SS", "ẞ": "SS", "Ð": "D", "Đ": "D", "Þ": "TH", "Ł": "L", "Ħ": "H",
    "ı": "I", "Ĳ": "IJ", "Ŋ": "N", "Ŧ": "T", "Ə": "E",
}  # fmt: skip
_CYRILLIC: Final = {
    "А": "A", "Б": "B", "В": "V", "Г": "G H", "Ґ": "G", "Д": "D", "Ѓ": "G", "Е": "E",
    "Ё": "E IO", "Є": "IE", "Ж": "ZH Z", "З": "Z", "Ѕ": "DZ", "И": "I Y", "І": "I", "Ї": "I",
    "Й": "I", "Ј": "J", "К": "K", "Ќ": "K", "Л": "L", "Љ": "LJ", "М": "M", "Н": "N", "Њ": "NJ",
    "О": "O", "П": "P", "Р": "R", "С": "S", "Т": "T", "Ћ": "C", "У": "U", "Ў": "U", "Ф": "F",
    "Х": "KH H", "Ц": "TS C", "Ч": "CH C", "Џ": "DZ", "Ш": "SH S", "Щ": "SHCH SHT",
    "Ъ": "IE A", "Ы": "Y", "Ь": "", "Э": "E", "Ю": "IU YU", "Я": "IA YA", "Ђ": "D",
}  # fmt: skip
_GREEK: Final = {
    "Α": "A", "Β": "V", "Γ": "G", "Δ": "D", "Ε": "E", "Ζ": "Z", "Η": "I", "Θ": "TH", "Ι": "I",
    "Κ": "K", "Λ": "L", "Μ": "M", "Ν": "N", "Ξ": "X", "Ο": "O", "Π": "P", "Ρ": "R", "Σ": "S",
    "Τ": "T", "Υ": "Y U", "Φ": "F", "Χ": "CH", "Ψ": "PS", "Ω": "O",
}  # fmt: skip
_SPELLINGS: Final = {
    letter: tuple(choices.split(" "))
    for letter, choices in {**_LATIN, **_CYRILLIC, **_GREEK}.items()
}
_DROPPED: Final = re.compile(r"['’‘`´ʼʹ·]")
_BETWEEN: Final = re.compile(r"[^\w]+|_|<")
_TITLES: Final = frozenset({"DR", "PROF", "ING", "MAG", "DIPL"})
_BASIC: Final = re.compile(r"[A-Z]+")

Word = frozenset[str]
"""The spellings of one word of a name."""


def written(name: str) -> bool:
    """Whether a name is in Latin letters, with whatever marks on them."""
    letters = filter(str.isalpha, unicodedata.normalize("NFC", name[:MOST_NAME]))
    return all(unicodedata.name(one, "").startswith("LATIN") for one in letters)


def words(name: str) -> tuple[Word, ...] | None:
    """The words of a name without titles, or None when it is in a script that has no table."""
    composed = unicodedata.normalize("NFC", _DROPPED.sub("", name[:MOST_NAME]))
    found: list[Word] = []
    for part in _BETWEEN.split(composed):
        spelt = _spelt(part)
        if spelt is None:
            return None
        if spelt:
            found.append(spelt)
    plain = tuple(one for one in found if one.isdisjoint(_TITLES))
    return (plain or tuple(found))[:MOST_WORDS]


def _spelt(part: str) -> Word | None:
    """The spellings of a word; none for one without letters."""
    letters: list[tuple[str, ...]] = []
    # ß has no upper case that stays one letter
    for letter in part if "ß" not in part else part.replace("ß", "ẞ"):
        upper = letter.upper() if letter != "ẞ" else letter
        choices = _SPELLINGS.get(upper) or _base(upper)
        if choices is None:
            return None
        letters.append(choices)
    spellings = ("".join(chosen) for chosen in islice(product(*letters), MOST_SPELLINGS))
    return frozenset(one for one in spellings if one)


def _base(letter: str) -> tuple[str, ...] | None:
    """The letter without its accents; a digit counts as nothing."""
    if letter.isdigit():
        return ("",)
    decomposed = unicodedata.normalize("NFD", letter)
    bare = "".join(one for one in decomposed if not unicodedata.combining(one))
    if not bare:
        return ("",)
    if _BASIC.fullmatch(bare):
        return (bare,)
    return _SPELLINGS.get(bare)
