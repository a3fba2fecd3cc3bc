"""What an online provider's answer says: read by the profile, and never taken on its looks."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, cast

from twinstile.credentials.providers import masks
from twinstile.credentials.providers.profiles import Answering, ProviderProfile
from twinstile.credentials.types import (
    AspectResult,
    Assessment,
    Context,
    CredentialOutcome,
    CredentialStatus,
    MatchReason,
    Scheme,
    SubjectMatch,
)
from twinstile.platform.http import json_pointers

LEEWAY: Final = timedelta(seconds=300)
"""How far a provider's clock may be ahead of ours."""
LONGEST: Final = 200
"""Characters of a value that is looked at."""
_LOCAL: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_NUMBER: Final = re.compile(r"\d{9,14}", re.ASCII)


class AnswerUnusable(Exception):
    """An answer that says nothing of the code; `reason` is a word of ours."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason: str = reason


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """What a provider said of a code."""

    status: CredentialStatus
    match: SubjectMatch
    match_reasons: tuple[MatchReason, ...]


def read(profile: ProviderProfile, body: bytes, context: Context) -> ProviderAnswer:
    """Raises `AnswerUnusable`: an envelope of failure, no JSON, a value nobody has mapped."""
    answering = profile.answering
    document = _document(body, answering)
    status = _condition(answering, document)
    if status is None:
        if _word(json_pointers.at(document, answering.ok_at)) not in answering.ok_values:
            raise AnswerUnusable("error-body")
        status = answering.colours.get(
            _word(json_pointers.at(document, answering.colour_at)) or ""
        )
    if status is None:
        raise AnswerUnusable("value-unknown")
    if status in _LASTING:
        status = _timely(profile, document, context.now, status)
    name = _text(document, answering.name_at)
    number = _text(document, answering.number_at)
    match, reasons = masks.match(context.subject, name, number)
    return ProviderAnswer(status, match, reasons)


_LASTING: Final = (CredentialStatus.GREEN, CredentialStatus.YELLOW)
"""What age makes worthless. Red stays red."""


def assessment(answer: ProviderAnswer, now: datetime) -> Assessment:
    """The provider's word and the person's match, each by itself."""
    found = _against(answer)
    expired = answer.status in (CredentialStatus.EXPIRED, CredentialStatus.STALE)
    known = answer.status not in (CredentialStatus.NOT_FOUND, CredentialStatus.INVALID)
    return Assessment(
        scheme=Scheme.ONLINE,
        outcome=found[0] if found else CredentialOutcome.VERIFIED,
        reasons=found,
        authenticity=AspectResult.YES if known else _GENUINE[answer.status],
        validity=AspectResult.NO
        if expired
        else AspectResult.YES
        if known
        else AspectResult.UNKNOWN,
        revocation=AspectResult.YES if known else AspectResult.UNKNOWN,
        policy=AspectResult.YES if known else AspectResult.UNKNOWN,
        subject_match=answer.match,
        match_reasons=answer.match_reasons,
        checked_at=now,
        stated=answer.status,
    )


_GENUINE: Final[Mapping[CredentialStatus, AspectResult]] = {
    CredentialStatus.NOT_FOUND: AspectResult.UNKNOWN,
    CredentialStatus.INVALID: AspectResult.NO,
}


def unanswered(outcome: CredentialOutcome, now: datetime) -> Assessment:
    """Nobody said anything: nothing is known."""
    return Assessment(
        scheme=Scheme.ONLINE,
        outcome=outcome,
        reasons=(outcome,),
        authenticity=AspectResult.UNKNOWN,
        validity=AspectResult.UNKNOWN,
        revocation=AspectResult.UNKNOWN,
        policy=AspectResult.UNKNOWN,
        subject_match=SubjectMatch.NOT_CHECKED,
        checked_at=now,
    )


def _against(answer: ProviderAnswer) -> tuple[CredentialOutcome, ...]:
    """What speaks against it. Whose code it is comes first: another's colour says nothing."""
    found: list[CredentialOutcome] = []
    if answer.match is SubjectMatch.MISMATCH:
        found.append(CredentialOutcome.SUBJECT_MISMATCH)
    if answer.status is CredentialStatus.NOT_FOUND:
        found.append(CredentialOutcome.NOT_FOUND)
    elif answer.status is not CredentialStatus.GREEN:
        found.append(CredentialOutcome.PROVIDER_ANSWERED)
    elif answer.match in (SubjectMatch.POSSIBLE, SubjectMatch.NOT_CHECKED):
        found.append(CredentialOutcome.SUBJECT_UNCONFIRMED)
    return tuple(found)


def _document(body: bytes, answering: Answering) -> object:
    document = _json(body)
    for pointer in answering.nested:
        inner = json_pointers.at(document, pointer)
        if isinstance(inner, str):
            json_pointers.put(document, pointer, _json(inner))
    return document


def _json(written: str | bytes) -> object:
    try:
        return cast("object", json.loads(written))
    except (ValueError, RecursionError):
        raise AnswerUnusable("not-json") from None


def _condition(answering: Answering, document: object) -> CredentialStatus | None:
    for condition in answering.conditions:
        if _word(json_pointers.at(document, condition.at)) in condition.values:
            return condition.means
    return None


def _word(value: object) -> str | None:
    """A value as a profile writes it; no float, for 1.0 is not the 1 of any code list."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value) if abs(value) < 2**53 else None
        case str() if len(value) <= LONGEST:
            return value
        case _:
            return None


def _text(document: object, pointer: str | None) -> str:
    held = json_pointers.at(document, pointer) if pointer is not None else None
    return held if isinstance(held, str) and len(held) <= LONGEST else ""


def _timely(
    profile: ProviderProfile, document: object, now: datetime, status: CredentialStatus
) -> CredentialStatus:
    """The status, as long as the times of the answer let it stand."""
    answering = profile.answering
    until = _moment(profile, document, answering.valid_until)
    if until is not None and now > until:
        return CredentialStatus.EXPIRED
    refreshed = _moment(profile, document, answering.refreshed_at)
    if refreshed is None:
        asked = answering.refreshed_at is not None and answering.refreshed_always
        return CredentialStatus.STALE if asked else status
    within = timedelta(seconds=answering.refreshed_within_s)
    return status if -LEEWAY <= now - refreshed <= within else CredentialStatus.STALE


def _moment(profile: ProviderProfile, document: object, pointer: str | None) -> datetime | None:
    """A time of the answer; None where there is none. Raises `AnswerUnusable`."""
    held = json_pointers.at(document, pointer) if pointer is not None else None
    if held is None or held == "":
        return None
    word = _word(held) or ""
    try:
        return _TIMES[profile.answering.times](word, profile.timezone)
    except (ValueError, OverflowError):
        raise AnswerUnusable("time-unreadable") from None


def _local(word: str, zone: tzinfo) -> datetime:
    if not _LOCAL.fullmatch(word):
        raise ValueError
    return datetime.fromisoformat(word).replace(tzinfo=zone).astimezone(UTC)


def _iso(word: str, _: tzinfo) -> datetime:
    moment = datetime.fromisoformat(word)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)


def _since_1970(unit: float) -> Callable[[str, tzinfo], datetime]:
    def read_number(word: str, _: tzinfo) -> datetime:
        if not _NUMBER.fullmatch(word):
            raise ValueError
        return datetime.fromtimestamp(int(word) * unit, UTC)

    return read_number


_TIMES: Final[Mapping[str, Callable[[str, tzinfo], datetime]]] = {
    "local": _local,
    "iso": _iso,
    "seconds": _since_1970(1),
    "milliseconds": _since_1970(0.001),
}
