"""EU Digital COVID Certificate: sub-claim 1 of a health certificate.

The form is that of ehn-dcc-development/eu-dcc-schema 1.3.3, which all earlier ones fit; codes
of value sets are left to rules.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from twinstile.credentials.codecs import bounded
from twinstile.credentials.codecs.bounded import items, text
from twinstile.credentials.types import Content, EvidenceKind, Holder, Refused, Scheme

_GROUPS: Final = {
    "v": EvidenceKind.VACCINATION,
    "t": EvidenceKind.TEST,
    "r": EvidenceKind.RECOVERY,
}
_SHORT: Final = 80
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d(T[0-9:.+Z-]{5,30})?")
_BORN: Final = re.compile(r"((19|20)\d\d(-\d\d){0,2}(T[0-9:.+Z-]{5,30})?)?")
_VERSION: Final = re.compile(r"\d+\.\d+\.\d+")
_LATIN: Final = re.compile(r"[A-Z<]*")
_COUNTRY: Final = re.compile(r"[A-Z]{1,10}")

Fits = Callable[[object], bool]


def _like(pattern: re.Pattern[str]) -> Fits:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _word(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _SHORT


def _dose(value: object) -> bool:
    return type(value) is int and value >= 1


_COMMON: Final[Mapping[str, Fits]] = {
    "tg": _word,
    "co": _like(_COUNTRY),
    "is": _word,
    "ci": _word,
}
_ENTRIES: Final[Mapping[str, Mapping[str, Fits]]] = {
    "v": {
        **_COMMON,
        **dict.fromkeys(("vp", "mp", "ma"), _word),
        **dict.fromkeys(("dn", "sd"), _dose),
        "dt": _like(_DAY),
    },
    "t": {**_COMMON, **dict.fromkeys(("tt", "tr"), _word), "sc": _like(_DAY)},
    "r": {**_COMMON, **dict.fromkeys(("fr", "df", "du"), _like(_DAY))},
}
_NAMES: Final[Mapping[str, Fits]] = {
    "fn": _word,
    "gn": _word,
    "fnt": lambda value: _word(value) and _like(_LATIN)(value),
    "gnt": lambda value: _word(value) and _like(_LATIN)(value),
}


def content(body: Mapping[str, object], issued: float | None, expires: float | None) -> Content:
    """What a certificate says; one without an end is not sound."""
    names = _object(body.get("nam"))
    entries = [entry for group in _GROUPS for entry in map(_object, items(body.get(group)))]
    return Content(
        scheme=Scheme.EU_DCC,
        holder=Holder(
            family=text(names.get("fn")),
            given=text(names.get("gn")),
            family_latin=text(names.get("fnt")),
            given_latin=text(names.get("gnt")),
            born=text(body.get("dob"))[:10],
        ),
        kinds=frozenset(kind for group, kind in _GROUPS.items() if body.get(group)),
        body=body,
        issued=issued,
        expires=expires,
        ids=tuple(one for entry in entries for one in _ids(entry)),
        sound=expires is not None and _sound(body, names),
    )


def _object(value: object) -> Mapping[str, object]:
    """An object; of anything else an empty one."""
    try:
        return bounded.mapping(value)
    except Refused:
        return {}


def _ids(entry: Mapping[str, object]) -> tuple[str, ...]:
    """As revocation lists hash it: alone, and after the country."""
    uci = text(entry.get("ci"))
    return (uci, text(entry.get("co")) + uci) if uci else ()


def _sound(body: Mapping[str, object], names: Mapping[str, object]) -> bool:
    groups = [group for group in _GROUPS if body.get(group) is not None]
    if len(groups) != 1 or not ("fnt" in names or "gnt" in names):
        return False
    entries = items(body[groups[0]])
    return (
        len(entries) == 1
        and _like(_VERSION)(body.get("ver"))
        and _like(_BORN)(body.get("dob"))
        and all(fits(names[name]) for name, fits in _NAMES.items() if name in names)
        and _fits(_object(entries[0]), _ENTRIES[groups[0]])
    )


def _fits(entry: Mapping[str, object], fields: Mapping[str, Fits]) -> bool:
    return all(fits(entry.get(name)) for name, fits in fields.items())
