"""The words of policy: a compiled, versioned document that a hub decides by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NewType

PolicyVersion = NewType("PolicyVersion", str)


@dataclass(frozen=True, slots=True)
class Parameters:
    """The figures of a policy. Temperatures are tenths of a degree Celsius."""

    threshold_tenths: int
    invalid_below_tenths: int
    confirm_methods: int
    error_tenths: Mapping[str, int]
    contact_methods: frozenset[str]
    passage_minutes: int
    hold_window_hours: int
    duplicate_seconds: int
    reminder_minutes: int
    retention_days: int
    case_retention_days: int
    complete: tuple[int, int, int]
    deadline_seconds: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One rule: when it holds, what it concludes, and why in words (per language)."""

    rule_id: str
    outcome: str
    code: str
    text: Mapping[str, str]
    holds: Callable[[Mapping[str, object]], bool]


@dataclass(frozen=True, slots=True, eq=False)
class HubPolicy:
    """A policy ready to decide by. One that was compiled again is another object."""

    version: PolicyVersion
    parameters: Parameters
    rules: tuple[PolicyRule, ...]

    def applying(self, facts: Mapping[str, object]) -> tuple[PolicyRule, ...]:
        """Every rule that holds, in the policy's order."""
        return tuple(rule for rule in self.rules if rule.holds(facts))
