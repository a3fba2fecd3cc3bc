"""CertLogic, the rule language of EU entry rules and of hub policies, compiled to closures.

Source: eu-dcc-business-rules, `certlogic/specification/README.md` 1.3.2 and its test suites.
An expression is judged once, when a policy is read; after that a rule is a plain function of
the facts: no clock, no I/O, no state, no values in its errors. Bounds hold whoever wrote the
rule: nesting, the steps of one evaluation, the items `reduce` walks.

Where the specification leaves a choice:

- A number is an integer if it has no fraction (30.0 is 30, as it is to a browser); a literal or
  a sum beyond ±(2^53 - 1) is an error. A number with a fraction is neither truthy nor falsy.
- `===` and `in` tell true from 1. Two arrays, two objects or two date-times have no portable
  equality ("works reliable on strings and integers, but not on other types"): an error.
- `in` and `reduce` take null for an empty array, as the null-safety cases of the suite want it;
  any other non-array is an error. So a rule that lets someone pass for not being in a list has
  to ask first whether the list is there. The lambda of `reduce` also sees the facts as `data`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twinstile.policy import certlogic_dates as dates
from twinstile.policy import certlogic_operations as operations
from twinstile.policy.certlogic_operations import Json, OperandError, Rule, Value

__all__ = [
    "CertLogicError",
    "Issue",
    "Json",
    "OperandError",
    "Rule",
    "Value",
    "compile_rule",
    "steps",
    "validate",
]

MAX_DEPTH = 32
"""Nested expressions; the deepest entry rule in the published vectors has eight."""
MAX_STEPS = 100_000
"""Expressions one evaluation may visit, a lambda counted once for each item it may meet."""
MAX_ISSUES = 20
"""Issues reported of one expression; an author mends these first."""


@dataclass(frozen=True, slots=True)
class Issue:
    """Why a part of an expression is not CertLogic; the pointer (RFC 6901) says which part."""

    pointer: str
    expression: Json
    message: str


class CertLogicError(Exception):
    """The expression is not valid CertLogic; `issues` has at least one entry."""

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__(f"{issues[0].pointer or '/'}: {issues[0].message}")
        self.issues = tuple(issues)


def compile_rule(expression: Json) -> Rule:
    """Turn an expression into a function; raises CertLogicError if `validate` has issues."""
    compiler = _Compiler()
    rule = compiler.compile(expression, _Place())
    if compiler.issues:
        raise CertLogicError(compiler.issues)
    return rule


def validate(expression: Json) -> list[Issue]:
    """List what is wrong with an expression, in its own order; an empty list: it compiles."""
    compiler = _Compiler()
    _ = compiler.compile(expression, _Place())
    return compiler.issues


def steps(expression: Json) -> int:
    """How many expressions one evaluation may visit."""
    compiler = _Compiler()
    _ = compiler.compile(expression, _Place())
    return compiler.steps


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the expression we are, and how often one evaluation may come by."""

    pointer: str = ""
    depth: int = 1
    visits: int = 1

    def item(self, index: int) -> "_Place":
        return _Place(f"{self.pointer}/{index}", self.depth + 1, self.visits)

    def operand(self, name: str, index: int) -> "_Place":
        is_lambda = name == "reduce" and index == 1
        visits = self.visits * (operations.MAX_REDUCE_ITEMS if is_lambda else 1)
        return _Place(f"{self.pointer}/{name}/{index}", self.depth + 1, visits)


class _Compiler:
    """One walk over an expression, which yields the closure and all issues together."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.steps = 0

    def compile(self, expression: Json, place: _Place) -> Rule:
        self.steps += place.visits
        if place.depth > MAX_DEPTH:
            return self._refuse(expression, place, "expression is nested too deeply")
        if self.steps > MAX_STEPS:
            return self._refuse(expression, place, "expression takes too many steps")
        match expression:
            case bool() | str():
                rule = operations.constant(expression)
            case int() | float():
                rule = self._number(expression, place)
            case list():
                items = [self.compile(item, place.item(i)) for i, item in enumerate(expression)]
                rule = operations.array(items)
                if not any(isinstance(item, list | dict) for item in expression):
                    rule = operations.constant(rule(None))
            case dict():
                rule = self._operation(expression, place)
            case _:  # null, and what JSON does not have
                rule = self._refuse(expression, place, "invalid CertLogic expression")
        return rule

    def _refuse(self, expression: Json, place: _Place, message: str) -> Rule:
        if len(self.issues) < MAX_ISSUES:
            self.issues.append(Issue(place.pointer, expression, message))
        return _unbuilt

    def _number(self, number: float, place: _Place) -> Rule:
        literal = _integer(number, operations.MAX_INTEGER)
        if literal is not None:
            return operations.constant(literal)
        if operations.whole_number(number) is None:
            return self._refuse(number, place, f"{number} is a non-integer number")
        return self._refuse(number, place, "integer is beyond 2^53 - 1")

    def _operation(self, expression: Mapping[str, Json], place: _Place) -> Rule:
        if len(expression) != 1:
            message = "expression object must have exactly one key, but it has"
            return self._refuse(expression, place, f"{message} {len(expression)}")
        ((name, operands),) = expression.items()
        match name, operands:
            case "var", _:
                return self._var(expression, operands, place)
            case "plusTime", list():
                return self._plus_time(expression, operands, place)
            case "extractFromUVCI", list():
                return self._extract(expression, operands, place)
            case _, list() if name in operations.OPERATIONS:
                return self._evaluated(expression, name, operands, place)
            case _, list():
                message = f'unrecognised operator: "{name}"'
            case _:
                message = 'operation not of the form { "<operator>": [ <values...> ] }'
        return self._refuse(expression, place, message)

    def _evaluated(
        self, expression: Json, name: str, operands: Sequence[Json], place: _Place
    ) -> Rule:
        fewest, most, build = operations.OPERATIONS[name]
        if not fewest <= len(operands) <= most:
            message = f'wrong number of operands of "{name}": {len(operands)}'
            return self._refuse(expression, place, message)
        rules = [self.compile(item, place.operand(name, i)) for i, item in enumerate(operands)]
        return build(rules, place.pointer)

    def _var(self, expression: Json, path: Json, place: _Place) -> Rule:
        if not isinstance(path, str):
            return self._refuse(expression, place, 'not of the form { "var": "<path>" }')
        if path != "" and not all(path.split(".")):
            message = f"data access path doesn't have a valid format: {path}"
            return self._refuse(expression, place, message)
        return operations.access(path)

    def _plus_time(self, expression: Json, operands: Sequence[Json], place: _Place) -> Rule:
        if len(operands) == 3 and operands[2] in list(dates.Unit):
            amount = _integer(operands[1], dates.MAX_AMOUNT)
            if amount is not None:
                operand = self.compile(operands[0], place.operand("plusTime", 0))
                unit = dates.Unit(str(operands[2]))
                return operations.offset(operand, unit, amount, place.pointer)
        message = '"plusTime" takes an operand, a literal integer and one of'
        return self._refuse(expression, place, f"{message} {', '.join(dates.Unit)}")

    def _extract(self, expression: Json, operands: Sequence[Json], place: _Place) -> Rule:
        if len(operands) == 2:
            index = _integer(operands[1], operations.MAX_INTEGER)
            if index is not None:
                operand = self.compile(operands[0], place.operand("extractFromUVCI", 0))
                return operations.fragment(operand, index, place.pointer)
        message = '"extractFromUVCI" takes an operand and a literal integer'
        return self._refuse(expression, place, message)


def _unbuilt(_: Value) -> Value:
    """Stands in for what has an issue; `compile_rule` raises before anything could call it."""
    return None


def _integer(literal: Json, limit: int) -> int | None:
    if isinstance(literal, bool) or not isinstance(literal, int | float):
        return None
    number = operations.whole_number(literal)
    return number if number is not None and abs(number) <= limit else None
