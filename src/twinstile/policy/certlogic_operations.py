"""The operations of CertLogic as closures: what each does to values, and when it refuses them.

Source: eu-dcc-business-rules, `certlogic/specification/README.md` 1.3.2, "Values" and
"Operations". A closure is built once per operation of a rule and has the common case in line;
`certlogic` checks number and form of operands before it builds one.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from twinstile.policy import certlogic_dates as dates

MAX_REDUCE_ITEMS = 100
"""Items of an array that `reduce` walks; a longer one is an OperandError."""
MAX_INTEGER = 2**53 - 1
"""Integers every JSON reader keeps exact (RFC 8259, section 6)."""

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
"""A JSON value as `json.loads` makes it: an array is a list, an object a dict."""
Value: TypeAlias = (
    bool | int | float | str | datetime | Sequence["Value"] | Mapping[str, "Value"] | None
)
"""What an expression evaluates to: JSON, and the date-times that rules compute on the way."""
Rule: TypeAlias = Callable[[Value], Value]
"""A compiled expression, from facts to a value. Raises OperandError and nothing else."""

_SEPARATORS = re.compile("[/#:]")
_TRUTHY_OR_FALSY = frozenset({bool, int, str, list, dict, type(None)})
_STRUCTURED = (list, dict, datetime)


class OperandError(Exception):
    """An operand had a type or a form that its operation does not take.

    The specification advises to let such a rule fail; it never counts as passed. The pointer
    leads to the operation in the expression; the operand itself is not kept.
    """

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(f"{pointer or '/'}: {message}")
        self.pointer = pointer
        self.message = message


def constant(value: Value) -> Rule:
    return lambda _: value


def array(items: Sequence[Rule]) -> Rule:
    return lambda facts: [item(facts) for item in items]


def access(path: str) -> Rule:
    """`var`: follow the path into objects and arrays; what is not there is null."""
    if path == "":
        return lambda facts: facts
    steps = tuple((key, _index(key)) for key in path.split("."))

    def accessed(facts: Value) -> Value:
        value = facts
        for key, index in steps:
            if isinstance(value, dict):
                value = value.get(key)
            elif isinstance(value, list) and index is not None and index < len(value):
                value = value[index]
            else:
                return None
        return value

    return accessed


def branch(operands: Sequence[Rule], pointer: str) -> Rule:
    """`if`: the branch not taken is not evaluated."""
    guard, then, otherwise = operands

    def branched(facts: Value) -> Value:
        value = guard(facts)
        if type(value) not in _TRUTHY_OR_FALSY:
            value = _whole_or_refused(value, pointer)
        return then(facts) if value else otherwise(facts)

    return branched


def conjunction(operands: Sequence[Rule], pointer: str) -> Rule:
    """`and`: the first falsy operand, else the last one; evaluated in order and lazily."""

    def joined(facts: Value) -> Value:
        value: Value = True
        for operand in operands:
            value = operand(facts)
            if type(value) not in _TRUTHY_OR_FALSY:
                value = _whole_or_refused(value, pointer)
            if not value:
                return value
        return value

    return joined


def negation(operands: Sequence[Rule], pointer: str) -> Rule:
    (operand,) = operands

    def negated(facts: Value) -> Value:
        value = operand(facts)
        if type(value) not in _TRUTHY_OR_FALSY:
            value = _whole_or_refused(value, pointer)
        return not value

    return negated


def equality(operands: Sequence[Rule], pointer: str) -> Rule:
    left, right = operands
    return lambda facts: _same(left(facts), right(facts), pointer)


def membership(operands: Sequence[Rule], pointer: str) -> Rule:
    """`in`: null is an empty array here, as the null-safety cases of the suite want it."""
    member, container = operands

    def found(facts: Value) -> Value:
        value, items = member(facts), container(facts)
        if items is None:
            return False
        if not isinstance(items, list):
            raise OperandError(pointer, "second operand is not an array")
        # Only these two are equal to nothing else in Python; True is also 1.
        if isinstance(value, str) or value is None:
            return value in items
        return any(_same(value, item, pointer) for item in items)

    return found


def addition(operands: Sequence[Rule], pointer: str) -> Rule:
    left, right = operands

    def added(facts: Value) -> Value:
        total = _integer(left(facts), pointer) + _integer(right(facts), pointer)
        if not -MAX_INTEGER <= total <= MAX_INTEGER:
            raise OperandError(pointer, "sum is beyond 2^53 - 1")
        return total

    return added


def comparison(holds: Callable[[int, int], bool]) -> Callable[[Sequence[Rule], str], Rule]:
    """Compare two integers, or three for "between"; all operands are evaluated."""

    def build(operands: Sequence[Rule], pointer: str) -> Rule:
        left, right = operands[0], operands[1]

        def compared(facts: Value) -> Value:
            low, high = left(facts), right(facts)
            if type(low) is int and type(high) is int:
                return holds(low, high)
            return holds(_integer(low, pointer), _integer(high, pointer))

        def between(facts: Value) -> Value:
            low, middle, high = (_integer(operand(facts), pointer) for operand in operands)
            return holds(low, middle) and holds(middle, high)

        return compared if len(operands) == 2 else between

    return build


def chronology(
    holds: Callable[[datetime, datetime], bool],
) -> Callable[[Sequence[Rule], str], Rule]:
    """Compare two date-times, or three for "between"; all operands are evaluated."""

    def build(operands: Sequence[Rule], pointer: str) -> Rule:
        left, right = operands[0], operands[1]

        def compared(facts: Value) -> Value:
            return holds(_moment(left(facts), pointer), _moment(right(facts), pointer))

        def between(facts: Value) -> Value:
            first, second, third = (_moment(operand(facts), pointer) for operand in operands)
            return holds(first, second) and holds(second, third)

        return compared if len(operands) == 2 else between

    return build


def offset(operand: Rule, unit: dates.Unit, amount: int, pointer: str) -> Rule:
    """`plusTime`: from a string to a date-time, `amount` units later."""
    shifted = dates.shift(unit, amount)
    return _dated(operand, lambda text: shifted(dates.date_time(text)), pointer)


def birth(operands: Sequence[Rule], pointer: str) -> Rule:
    """`dccDateOfBirth`: the last day consistent with a partial date."""
    return _dated(operands[0], dates.date_of_birth, pointer)


def reduction(operands: Sequence[Rule], pointer: str) -> Rule:
    """`reduce`: a left fold.

    Its lambda sees `current` and `accumulator`, and as `data` what was seen outside; the
    specification announces the last one, and the suite has cases for it.
    """
    source, step, initial = operands

    def reduced(facts: Value) -> Value:
        items, accumulator = source(facts), initial(facts)
        if items is None:
            return accumulator
        if not isinstance(items, list):
            raise OperandError(pointer, "first operand is not an array")
        if len(items) > MAX_REDUCE_ITEMS:
            raise OperandError(pointer, f"array has more than {MAX_REDUCE_ITEMS} items")
        for current in items:
            accumulator = step({"current": current, "accumulator": accumulator, "data": facts})
        return accumulator

    return reduced


def fragment(operand: Rule, index: int, pointer: str) -> Rule:
    """`extractFromUVCI`: the part with this index, null if there is none or no identifier."""

    def extracted(facts: Value) -> Value:
        value = operand(facts)
        if value is None:
            return None
        if not isinstance(value, str):
            raise OperandError(pointer, "first operand is neither a string nor null")
        parts = _SEPARATORS.split(value.removeprefix("URN:UVCI:"))
        return parts[index] if 0 <= index < len(parts) else None

    return extracted


OPERATIONS: Mapping[str, tuple[int, float, Callable[[Sequence[Rule], str], Rule]]] = {
    "if": (3, 3, branch),
    "and": (2, float("inf"), conjunction),
    "!": (1, 1, negation),
    "===": (2, 2, equality),
    "in": (2, 2, membership),
    "+": (2, 2, addition),
    ">": (2, 3, comparison(operator.gt)),
    "<": (2, 3, comparison(operator.lt)),
    ">=": (2, 3, comparison(operator.ge)),
    "<=": (2, 3, comparison(operator.le)),
    "after": (2, 3, chronology(operator.gt)),
    "before": (2, 3, chronology(operator.lt)),
    "not-after": (2, 3, chronology(operator.le)),
    "not-before": (2, 3, chronology(operator.ge)),
    "reduce": (3, 3, reduction),
    "dccDateOfBirth": (1, 1, birth),
}
"""Operations whose operands are all expressions: fewest and most operands, and the builder."""


def whole_number(number: float) -> int | None:
    """Read a JSON number as the integer it is, 30.0 as 30; None if it has a fraction."""
    if isinstance(number, int):
        return number
    return int(number) if number.is_integer() else None


def _index(key: str) -> int | None:
    # Nine digits are more than any array here has; int() refuses some 4,300 of them.
    return int(key) if key.isascii() and key.isdigit() and len(key) <= 9 else None


def _whole_or_refused(value: Value, pointer: str) -> int:
    number = whole_number(value) if isinstance(value, float) else None
    if number is None:
        raise OperandError(pointer, "operand is neither truthy nor falsy")
    return number


def _integer(value: Value, pointer: str) -> int:
    if type(value) is int:
        return value
    number = whole_number(value) if isinstance(value, float) else None
    if number is None:
        raise OperandError(pointer, "operand is not an integer")
    return number


def _moment(value: Value, pointer: str) -> datetime:
    if isinstance(value, datetime):
        return value
    raise OperandError(pointer, "operand is not a date-time")


def _dated(operand: Rule, read: Callable[[str], datetime], pointer: str) -> Rule:
    def dated(facts: Value) -> Value:
        text = operand(facts)
        if not isinstance(text, str):
            raise OperandError(pointer, "operand is not a string")
        try:
            return read(text)
        except (ValueError, OverflowError):
            # From None: the reader's message may quote the text, which may be a birth date.
            raise OperandError(pointer, "operand is not an allowed date-time") from None

    return dated


def _same(left: Value, right: Value, pointer: str) -> bool:
    if isinstance(left, str) or isinstance(right, str):
        return left == right
    if isinstance(left, _STRUCTURED) and isinstance(right, _STRUCTURED):
        raise OperandError(pointer, "arrays, objects and date-times have no equality")
    return left == right and isinstance(left, bool) is isinstance(right, bool)
