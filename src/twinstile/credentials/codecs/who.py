"""WHO's health certificates: the digital ICVP (sub-claim -6), and the DDCC core data sets.

Sources: WorldHealthOrganization/smart-trust (logical model DVC), DDCC implementation guide.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

from twinstile.credentials.codecs import bounded
from twinstile.credentials.codecs.bounded import text
from twinstile.credentials.types import (
    Content,
    CredentialOutcome,
    CredentialRefused,
    EvidenceKind,
    Holder,
    Scheme,
)

_DAY_SECONDS: Final = 86_400


def vaccination(
    body: Mapping[str, object], issued: float | None, expires: float | None
) -> Content:
    """A digital vaccination certificate: valid from `vls` to the end of the day `vle`."""
    dose = bounded.mapping(body.get("v"))
    return Content(
        scheme=Scheme.WHO_DVC,
        kinds=frozenset({EvidenceKind.VACCINATION}),
        body=body,
        issued=_latest(issued, _midnight(dose.get("vls"))),
        expires=_earliest(expires, _day_end(dose.get("vle"))),
        sound=bool(text(body.get("n")) and text(dose.get("dt"))),
    )


def vaccinated(body: Mapping[str, object]) -> Holder:
    return Holder(
        whole=text(body.get("n")),
        born=text(body.get("dob")),
        other_number=text(body.get("nid")),
    )


def document(
    body: Mapping[str, object], issued: float | None, expires: float | None
) -> Content:
    """A vaccination status or test result of the DDCC core data set."""
    kinds = {
        kind
        for kind, fields in _TELLING.items()
        if any(body.get(name) is not None for name in fields)
    }
    if not kinds:
        raise CredentialRefused(CredentialOutcome.INVALID_CONTENT)
    return Content(
        scheme=Scheme.WHO_DDCC,
        kinds=frozenset(kinds),
        body=body,
        issued=_latest(issued, _midnight(body.get("valid_from"))),
        expires=_earliest(expires, _day_end(body.get("valid_until"))),
        sound=bool(text(body.get("name"))),
    )


def documented(body: Mapping[str, object]) -> Holder:
    return Holder(
        whole=text(body.get("name")),
        born=text(body.get("birthDate")),
        other_number=text(body.get("identifier")),
    )


def ids(body: Mapping[str, object]) -> Sequence[tuple[str, str]]:
    hcid = text(body.get("hcid"))
    return [("", hcid)] if hcid else []


_TELLING: Final[Mapping[EvidenceKind, tuple[str, ...]]] = {
    EvidenceKind.VACCINATION: ("vaccine", "vaccination"),
    EvidenceKind.TEST: ("test", "result", "pathogen"),
}


def _latest(*moments: float | None) -> float | None:
    return max((one for one in moments if one is not None), default=None)


def _earliest(*moments: float | None) -> float | None:
    return min((one for one in moments if one is not None), default=None)


def _midnight(value: object) -> float | None:
    """Of a day, or of the first day of a year or month; UTC, for the code names no zone."""
    if value in (None, ""):
        return None
    day = text(value)[:10]
    try:
        moment = dt.datetime.fromisoformat(day + "0000-01-01"[len(day) :])
    except ValueError:
        raise CredentialRefused(CredentialOutcome.INVALID_CONTENT) from None
    return moment.replace(tzinfo=dt.UTC).timestamp()


def _day_end(value: object) -> float | None:
    midnight = _midnight(value)
    return None if midnight is None else midnight + _DAY_SECONDS - 1
