"""The facts a rule may read, with choices of them that stand for all others.

A choice sets whole members of the facts, so that what it says fits together: no reading has no
method. The first choice of each group is the traveller with nothing amiss. A test holds this
against the facts the screening really gives (`tests/policy/test_validator.py`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

Choice: TypeAlias = Mapping[str, object]
"""Some members of the facts, each whole."""

MISSING: Final = ("NOT_PRESENTED", "NOT_FOUND", "UNAVAILABLE", "STALE", "PENDING", "NONE")
"""Credential statuses that say nothing of health: none of them alone may turn anybody away."""
DEADLINES: Final = (
    "PRESENTED", "ASSISTED", "VERIFYING", "SECONDARY", "HELD", "REFUSAL", "RETURN_PENDING",
    "DEFERRED",
)  # fmt: skip
"""States a policy must set a deadline for."""
OUTCOMES: Final = (
    "PASS", "PASS_WITH_CONDITIONS", "DEFER", "WAIT", "REPEAT", "ASSIST", "SECONDARY", "RETURN",
    "HOLD",
)  # fmt: skip
"""By caution, as `screening.types.Outcome`."""
_STATUSES: Final = ("GREEN", "YELLOW", "RED", "UNDER_REVIEW", "EXPIRED", "INVALID", *MISSING)
_STATES: Final = ("PRESENTED", "EXPECTED", "ASSISTED", "VERIFYING", "SECONDARY")
_LEVELS: Final = ("LOW", "CASES", "MEDIUM", "HIGH")
_ORIGINS: Final = (
    "SAME_COUNTY", "SAME_PREFECTURE", "SAME_PROVINCE", "OTHER_PROVINCE", "ABROAD", "UNKNOWN",
)  # fmt: skip
SYMPTOMS: Final = (
    "FEVER", "FATIGUE", "COUGH", "HEADACHE", "MUSCLE_PAIN", "BREATHING_DIFFICULTY",
    "CHEST_TIGHTNESS", "PALPITATION", "NAUSEA", "VOMITING", "DIARRHOEA", "CONJUNCTIVITIS",
    "RASH", "BLEEDING", "CONFUSION", "UNWELL",
)  # fmt: skip
_NEVER: Final = 9999


def choices(
    figures: Mapping[str, int], numbers: Iterable[int], words: Iterable[str]
) -> dict[str, list[Choice]]:
    """The choices of each group, with the numbers and words a document's rules ask for.

    `figures` are the parameters that are facts as well.
    """
    edges = sorted({n for number in numbers for n in (number - 1, number, number + 1)})
    hours = [n for n in edges if 0 <= n < _NEVER]
    return {
        "parameters": [{"parameters": dict(figures)}],
        "state": _each("state", _STATES),
        "temperature": list(_temperatures(figures["threshold_tenths"], edges)),
        "credential": [{"credential": {"status": status}} for status in _STATUSES],
        "identity": [
            {"identity": {"result": result}}
            for result in ("MATCH", "MISMATCH", "NOT_CHECKED", "NONE")
        ],
        "illness": _each("illness", (False, True)),
        "prior_hold": _each("prior_hold", (False, True)),
        "category": _each("category", ("TRAVELLER", "CREW", "STAFF", "INFANT", "DIPLOMAT")),
        "test": list(_tests(hours)),
        "places": list(_places(hours)),
        "declaration": list(_declarations(words)),
        "emergency": _each("emergency", ("NONE", "UNCONSCIOUS")),
        "party": list(_parties()),
        "direction": _each("direction", ("ARRIVING", "DEPARTING", "UNKNOWN")),
    }


def signs(threshold: int) -> Mapping[str, Choice]:
    """Signs nobody passes with unseen, as the latest check shows them; see `GuardClass`."""
    return {
        "FEVER": _temperature(threshold, contact=False, alarmed=True, methods=1),
        "FEVER BY CONTACT": _temperature(threshold, contact=True, alarmed=True, methods=1),
        "RED": {"credential": {"status": "RED"}},
        "SUSPICION": {"prior_hold": True},
        "ILLNESS": {"illness": True},
    }


def _each(name: str, values: Sequence[object]) -> list[Choice]:
    return [{name: value} for value in values]


def _temperatures(threshold: int, edges: Iterable[int]) -> Iterator[Choice]:
    for latest in (365, threshold - 1, threshold, 340, *(n for n in edges if 300 <= n <= 450)):
        for contact in (False, True):
            alarms = latest >= threshold
            yield _temperature(latest, contact=contact, alarmed=alarms, methods=int(alarms))
    yield _temperature(365, contact=True, alarmed=True, methods=1, own=False)
    for methods in (2, 3):
        yield _temperature(threshold, contact=True, alarmed=True, methods=methods)
    yield _temperature(None, contact=False, alarmed=False, methods=0)


def _temperature(
    latest: int | None, *, contact: bool, alarmed: bool, methods: int, own: bool = True
) -> Choice:
    """`own`: an alarm is one of the latest reading's method."""
    return {
        "temperature": {
            "measured": latest is not None,
            "latest": latest,
            "latest_contact": contact,
            "alarmed": alarmed,
            "latest_alarms": alarmed and own,
            "latest_method_alarmed": alarmed and own,
            "methods_at_threshold": methods,
        }
    }


def _tests(hours: Iterable[int]) -> Iterator[Choice]:
    for age in (1, *hours):
        yield _test("NEGATIVE", age, age)
        yield _test("NEGATIVE", age, _NEVER)
        yield _test("NEGATIVE", age, age, pending=True)
    for result in ("NONE", "POSITIVE", "PENDING", "UNKNOWN"):
        yield _test(result, _NEVER, _NEVER, pending=result == "PENDING")
    yield _test("POSITIVE", 60, 60)


def _test(result: str, hours: int, pcr: int, *, pending: bool = False) -> Choice:
    return {
        "test": {
            "result": result,
            "negative_hours": hours,
            "negative_pcr_hours": pcr,
            "pending": pending,
        }
    }


def _places(days: Iterable[int]) -> Iterator[Choice]:
    for origin in _ORIGINS:
        yield _place(origin)
        yield _place(origin, starred=True)
        for level in _LEVELS:
            for depth in (1, 2, 3):
                levels = [level] * depth + ["NONE"] * (3 - depth)
                for left in (0, *days):
                    yield _place(origin, levels, left)
            yield _place(origin, [level, "LOW", "NONE"], 0)
    yield _place("UNKNOWN", is_known=False)


def _place(
    origin: str,
    levels: Sequence[str] = ("NONE", "NONE", "NONE"),
    left: int = _NEVER,
    *,
    starred: bool = False,
    is_known: bool = True,
) -> Choice:
    met = dict(zip(("province", "county", "street"), levels, strict=True))
    return {
        "itinerary": {"known": is_known, "starred": starred, "origin": origin},
        "area": {**met, "days_since_left": left},
    }


def _parties() -> Iterator[Choice]:
    guardians = ("ABSENT", *_STATUSES)
    for flagged in (False, True):
        for role in ("NONE", "GUARDIAN", "MEMBER", "MINOR"):
            for guardian in guardians if role != "NONE" else ("ABSENT",):
                yield {"party": {"role": role, "guardian": guardian, "flagged": flagged}}


def _declarations(words: Iterable[str]) -> Iterator[Choice]:
    yield _declaration()
    yield {"declaration": {**_HEALTHY, "made": False, "contact": "NOT_STATED"}}
    for symptom in sorted({*words, "UNWELL"} & set(SYMPTOMS)):
        yield _declaration(symptoms=[symptom])
    for contact in ("UNSURE", "YES", "NOT_STATED"):
        yield _declaration(contact=contact)
    yield _declaration(fever_medicine=True)


_HEALTHY: Final[Choice] = {
    "made": True,
    "symptoms": list[str](),
    "contact": "NO",
    "fever_medicine": False,
}


def _declaration(**changes: object) -> Choice:
    return {"declaration": {**_HEALTHY, **changes}}
