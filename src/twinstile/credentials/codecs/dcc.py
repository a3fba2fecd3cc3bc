"""EU Digital COVID Certificate: sub-claim 1 of a health certificate.

The form is that of ehn-dcc-development/eu-dcc-schema 1.3.3, which all earlier ones fit; codes
of value sets are left to rules.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Final, cast

from twinstile.credentials.codecs import bounded
from twinstile.credentials.codecs.bounded import items, text
from twinstile.credentials.types import Content, CredentialRefused, EvidenceKind, Holder, Scheme

_GROUPS: Final = {
    "v": EvidenceKind.VACCINATION,
    "t": EvidenceKind.TEST,
    "r": EvidenceKind.RECOVERY,
}
_KINDS: Final = {group: frozenset({kind}) for group, kind in _GROUPS.items()}
_EU_DCC: Final = Scheme.EU_DCC
_FIELDS: Final[Mapping[str, Callable[[Mapping[str, object]], tuple[str, ...]]]] = {
    "v": itemgetter("co", "dt", "tg", "vp", "mp", "ma", "is", "ci"),
    "t": itemgetter("co", "sc", "tg", "tt", "tr", "is", "ci"),
    "r": itemgetter("co", "fr", "df", "du", "tg", "is", "ci"),
}
"""What an entry of a group must have; country and days first."""
_DAYS: Final = {"v": 1, "t": 1, "r": 3}
_DAY: Final = r"\n\d{4}-\d\d-\d\d(?:T[0-9:.+Z-]{5,30})?"
_LINES: Final = {
    group: re.compile(
        r"\d+\.\d+\.\d+"  # version
        r"\n(?:(?:19|20)\d\d(?:-\d\d){0,2}(?:T[0-9:.+Z-]{5,30})?)?"  # birth
        r"\n[A-Z<]*\n[A-Z<]*"  # names for machines
        r"\n[A-Z]{1,10}" + _DAY * days + r"(?:\n[^\n]{0,80})*"
    )
    for group, days in _DAYS.items()
}
"""All texts, a line each: looked at together, for every verification waits for it."""


def content(body: Mapping[str, object], issued: float | None, expires: float | None) -> Content:
    """What a certificate says; one without an end is not sound."""
    groups = [group for group in _GROUPS if body.get(group)]
    return Content(
        _EU_DCC,
        _KINDS[groups[0]] if len(groups) == 1 else frozenset(map(_GROUPS.__getitem__, groups)),
        body,
        issued,
        expires,
        expires is not None and len(groups) == 1 and _sound(body, groups[0]),
    )


def holder(body: Mapping[str, object]) -> Holder:
    names = _object(body.get("nam"))
    return Holder(
        family=text(names.get("fn")),
        given=text(names.get("gn")),
        family_latin=text(names.get("fnt")),
        given_latin=text(names.get("gnt")),
        born=text(body.get("dob"))[:10],
    )


def ids(body: Mapping[str, object]) -> Sequence[tuple[str, str]]:
    """Countries and identifiers."""
    entries = [_object(one) for group in _GROUPS for one in items(body.get(group))]
    return [(text(one.get("co")), text(one.get("ci"))) for one in entries if one.get("ci")]


def _object(value: object) -> Mapping[str, object]:
    """An object; of anything else an empty one."""
    try:
        return bounded.mapping(value)
    except CredentialRefused:
        return {}


def _sound(body: Mapping[str, object], group: str) -> bool:
    entries, names = items(body[group]), _object(body.get("nam"))
    if len(entries) != 1 or not ("fnt" in names or "gnt" in names):
        return False
    entry = _object(entries[0])
    latin = (names.get("fnt", ""), names.get("gnt", ""))
    try:
        texts = (body["ver"], body["dob"], *latin, *_FIELDS[group](entry), *names.values())
        lines = "\n".join(cast("tuple[str, ...]", texts))
    except (KeyError, TypeError):  # one is missing, or no text
        return False
    return _LINES[group].fullmatch(lines) is not None and (
        group != "v" or (_dose(entry.get("dn")) and _dose(entry.get("sd")))
    )


def _dose(value: object) -> bool:
    return type(value) is int and value > 0
