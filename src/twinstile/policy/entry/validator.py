"""Whether entry rules may judge certificates: tried on certificates, told in words.

As with policies (`validator`), a rule is tried on choices that stand for all others: of each
field it reads the values it asks for, those just beside them, another one and none. Fields are
those of the EU Digital COVID Certificate, which other certificates can be written in as well.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import islice, product
from math import prod
from pathlib import Path
from typing import Final, cast

from twinstile.platform.ops import config_files
from twinstile.platform.ops.config_files import InvalidFile
from twinstile.policy import certlogic, certlogic_dates, documents, validator
from twinstile.policy.certlogic import Json
from twinstile.policy.documents import PolicyError
from twinstile.policy.entry.documents import EntryPolicy, EntryRule, compile_entry, met
from twinstile.policy.validator import LANGUAGES, PolicyFinding, finding

_EVENTS: Final = ("v", "t", "r")
"""Vaccinations, tests, recoveries."""
_FIELDS: Final = {
    "v": frozenset({"tg", "vp", "mp", "ma", "dn", "sd", "dt", "co", "is", "ci"}),
    "t": frozenset({"tg", "tt", "nm", "ma", "sc", "dr", "tr", "tc", "co", "is", "ci"}),
    "r": frozenset({"tg", "fr", "co", "is", "df", "du", "ci"}),
}
_WHOLE: Final = frozenset({"ver", "dob", "nam", "nam.fn", "nam.fnt", "nam.gn", "nam.gnt"})
_NUMBERS: Final = frozenset({"dn", "sd"})
_DAYS: Final = frozenset({"dt", "fr", "df", "du", "dob"})
_MOMENTS: Final = frozenset({"sc", "dr"})
_FACTS: Final = frozenset(
    {"payload", "external.validationClock"}
    | {f"payload.{name}" for name in _WHOLE}
    | {f"payload.{event}{number}" for event in _EVENTS for number in ("", ".0")}
    | {f"payload.{event}.0.{field}" for event in _EVENTS for field in _FIELDS[event]}
)
_NUMBER: Final = re.compile(r"\.\d+(?=\.|$)")
_CLOCK: Final = datetime(2026, 7, 1, 12, tzinfo=UTC)
_FAR: Final = timedelta(days=40 * 366)


@lru_cache(maxsize=4)
def load(names: tuple[str, ...]) -> Mapping[str, EntryPolicy]:
    """The entry rules of a hub by name: packs, and files by their path.

    Rules that are over are loaded too: they say so when they are asked. Raises
    `InvalidFile`.
    """
    found: dict[str, EntryPolicy] = {}
    for name in names:
        try:
            policy = _usable(name)
        except (OSError, ValueError, RecursionError, PolicyError) as error:
            raise InvalidFile(f"{name}: {error}") from error
        if found.setdefault(policy.name, policy) is not policy:
            raise InvalidFile(f"{name}: there are two rule sets {policy.name!r}")
    return found


def _usable(name: str) -> EntryPolicy:
    """A pack, or a file with nothing against it but that it may be over."""
    if "/" not in name:
        return compile_entry(documents.read_pack(name))
    rules = config_files.document(Path(name))
    for fault in judge(rules, date.min):
        raise PolicyError(f"{fault.text['en']} {fault.remedy['en']}")
    return compile_entry(rules)


def judge(document: Mapping[str, object], today: date) -> list[PolicyFinding]:
    """What speaks against entry rules; none: a hub may judge by them."""
    try:
        policy = compile_entry(document)
    except PolicyError as error:
        return [finding("unreadable", None, reason=str(error))]
    written = cast("Sequence[Mapping[str, Json]]", document["rules"])
    conditions = [rule["accepts"] for rule in written]
    texts = [policy.title, *(rule.text for rule in policy.rules)]
    steps, characters = validator.MAX_STEPS, validator.MAX_TEXT
    if sum(map(certlogic.steps, conditions)) > steps or any(
        len(said) > characters for text in texts for said in text.values()
    ):
        return [finding("too-long", None, steps=steps, characters=characters)]
    found = [
        *_of_languages(policy),
        *_of_validity(policy, today),
        *(
            one
            for rule, condition in zip(policy.rules, conditions, strict=True)
            for one in _of_rule(policy, rule, condition)
        ),
    ]
    return found[: validator.MAX_FINDINGS]


def _of_languages(policy: EntryPolicy) -> Iterator[PolicyFinding]:
    for language in LANGUAGES:
        if not policy.title.get(language, "").strip():
            yield finding("title-missing", None, language=language)
        for rule in policy.rules:
            if not rule.text.get(language, "").strip():
                yield finding("language-missing", rule.rule_id, language=language)


def _of_validity(policy: EntryPolicy, today: date) -> Iterator[PolicyFinding]:
    if policy.valid_until is not None and policy.valid_until < today:
        yield finding("entry-expired", None, last=policy.valid_until)


def _of_rule(policy: EntryPolicy, rule: EntryRule, condition: Json) -> Iterator[PolicyFinding]:
    asked = _Asked.by(condition)
    facts = _FACTS | {f"external.valueSets.{name}" for name in policy.value_sets}
    unknown = sorted(path for path in asked.paths if _NUMBER.sub(".0", path) not in facts)
    for path in unknown:
        yield finding("unknown-fact", rule.rule_id, fact=path)
    if unknown:
        return
    tried = _certificates(policy, asked)
    if tried is None:
        yield finding("too-complicated", rule.rule_id)
        return
    verdicts = {met(rule.accepts, policy.facts(one, _CLOCK)) for one in tried}
    if verdicts != {True, False}:
        code = "entry-always-met" if True in verdicts else "entry-never-met"
        yield finding(code, rule.rule_id)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a rule reads and what it compares that with."""

    paths: frozenset[str]
    inside: frozenset[str]
    """Fields of an event that the lambda of a `reduce` reads."""
    words: frozenset[str]
    numbers: frozenset[int]
    spans: frozenset[tuple[str, int]]
    """Units and amounts of `plusTime`."""

    @classmethod
    def by(cls, condition: Json) -> "_Asked":
        literals = list(validator.literals(condition))
        return cls(
            frozenset(validator.reads_of(condition)),
            frozenset(_inside(condition)),
            frozenset(one for one in literals if isinstance(one, str)),
            frozenset(one for one in literals if type(one) is int),
            frozenset(_spans(condition)),
        )


def _inside(expression: Json) -> Iterator[str]:
    match expression:
        case {"var": str() as path} if path.startswith("current."):
            yield path.rsplit(".", 1)[-1]
        case dict():
            for operands in expression.values():
                yield from _inside(operands)
        case list():
            for item in expression:
                yield from _inside(item)
        case _:
            return


def _spans(expression: Json) -> Iterator[tuple[str, int]]:
    match expression:
        case {"plusTime": [operand, int() | float() as amount, str() as unit]}:
            yield unit, int(amount)
            yield from _spans(operand)
        case dict():
            for operands in expression.values():
                yield from _spans(operands)
        case list():
            for item in expression:
                yield from _spans(item)
        case _:
            return


def _certificates(policy: EntryPolicy, fields_read: _Asked) -> Iterator[Json] | None:
    """Certificates that differ in what a rule reads; None: there are too many to try."""
    choices: dict[str, list[Json]] = {}
    for event in _EVENTS:
        own = [
            path.split(".") for path in fields_read.paths if path.startswith(f"payload.{event}")
        ]
        if not own and "payload" not in fields_read.paths:
            continue
        fields = {path[3] for path in own if len(path) == 4} | (
            fields_read.inside & _FIELDS[event]
        )
        several = any(path[2:3] not in ([], ["0"]) for path in own)
        choices[event] = list(_events(policy, fields_read, sorted(fields), several=several))
    for path in fields_read.paths & {f"payload.{name}" for name in _WHOLE - {"nam"}}:
        choices[path.removeprefix("payload.")] = _values(
            policy, fields_read, path.rsplit(".", 1)[-1]
        )
    if prod(map(len, choices.values())) > validator.MAX_CIRCUMSTANCES:
        return None
    return (
        _certificate(dict(zip(choices, chosen, strict=True)))
        for chosen in product(*choices.values())
    )


def _certificate(chosen: Mapping[str, Json]) -> Json:
    names: dict[str, Json] = {"fn": "X", "fnt": "X"}
    whole: dict[str, Json] = {"ver": "1.3.0", "dob": "1990-01-01", "nam": names}
    for name, value in chosen.items():
        if name.startswith("nam."):
            names[name.removeprefix("nam.")] = value
        elif value is None:
            whole.pop(name, None)
        else:
            whole[name] = value
    return whole


def _events(
    policy: EntryPolicy, fields_read: _Asked, fields: Sequence[str], *, several: bool
) -> Iterator[Json]:
    """No event, each that there may be, and more than one."""
    yield None
    values = [_values(policy, fields_read, field) for field in fields]
    one: dict[str, Json] = {}
    for chosen in islice(product(*values), validator.MAX_CIRCUMSTANCES):
        told = zip(fields, chosen, strict=True)
        one = {"id": "x", **{field: value for field, value in told if value is not None}}
        yield [one]
    if several:
        yield [one, one]


def _values(policy: EntryPolicy, fields_read: _Asked, field: str) -> list[Json]:
    """Of a field what is asked for, what lies beside it, something else and nothing."""
    found: list[Json] = [None]
    if field in _NUMBERS:
        found += sorted({0, 1, 2, 3, *(n + d for n in fields_read.numbers for d in (-1, 0, 1))})
    elif field in _DAYS or field in _MOMENTS:
        moments = sorted(set(_moments(fields_read)))
        days = sorted({moment.date().isoformat() for moment in moments})
        found += days if field in _DAYS else [moment.isoformat() for moment in moments]
    else:
        read = [p.removeprefix("external.valueSets.") for p in fields_read.paths]
        members = [one for name in read for one in _members(policy, name)[:1]]
        words = sorted(fields_read.words | {"another"})
        found += [*members, *words]
        if field == "ci":
            found += [f"URN:UVCI:01:{word}:{word}" for word in words]
    return found


def _members(policy: EntryPolicy, name: str) -> Sequence[Json]:
    return cast("Sequence[Json]", policy.value_sets.get(name, []))


def _moments(fields_read: _Asked) -> Iterator[datetime]:
    yield from (_CLOCK, _CLOCK - _FAR, _CLOCK + _FAR)
    for unit, amount in fields_read.spans:
        beside = timedelta(hours=1) if unit == certlogic_dates.Unit.HOUR else timedelta(days=1)
        for away in (amount, -amount):
            with contextlib.suppress(OverflowError, ValueError):  # beyond the calendar
                edge = certlogic_dates.shift(certlogic_dates.Unit(unit), away)(_CLOCK)
                yield from (edge - beside, edge, edge + beside)
