"""CertLogic where the published suites are silent: refusals, bounds, types, purity."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstile.policy import certlogic, certlogic_dates, certlogic_operations
from twinstile.policy.certlogic import CertLogicError, OperandError

X, Y = {"var": "x"}, {"var": "y"}
NOW = {"plusTime": ["2026-01-01", 0, "day"]}


def evaluate(expression, facts=None):
    return certlogic.compile_rule(expression)(facts)


def chain(length):
    """Nest `length` expressions."""
    expression = True
    for _ in range(length - 1):
        expression = {"!": [expression]}
    return expression


# --- values ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "truth"),
    [
        (True, True),
        (False, False),
        (None, False),
        ("", False),
        ("0", True),
        (0, False),
        (-1, True),
        (0.0, False),
        (30.0, True),
        ([], False),
        ([None], True),
        ({}, False),
        ({"a": None}, True),
    ],
)
def test_a_guard_takes_what_is_truthy_or_falsy(value, truth):
    assert evaluate({"if": [X, True, False]}, {"x": value}) is truth
    assert evaluate({"!": [X]}, {"x": value}) is not truth


@pytest.mark.parametrize("value", [0.5, -36.6, float("nan"), float("inf")])
@pytest.mark.parametrize(
    "expression", [{"if": [X, 1, 2]}, {"!": [X]}, {"and": [X, True]}, {"and": [True, X]}]
)
def test_a_number_with_a_fraction_is_no_guard(expression, value):
    with pytest.raises(OperandError, match="neither truthy nor falsy"):
        evaluate(expression, {"x": value})


@pytest.mark.parametrize("expression", [{"if": [NOW, 1, 2]}, {"!": [NOW]}, {"and": [1, NOW]}])
def test_a_date_time_is_no_guard(expression):
    with pytest.raises(OperandError, match="neither truthy nor falsy"):
        evaluate(expression)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1, True, False),
        (0, False, False),
        (True, True, True),
        (1, 1.0, True),
        (1, "1", False),
        (None, None, True),
        (None, False, False),
        ("", None, False),
        ("a", ["a"], False),
        ({}, None, False),
    ],
)
def test_equality_coerces_nothing(left, right, same):
    assert evaluate({"===": [X, Y]}, {"x": left, "y": right}) is same
    assert evaluate({"===": [Y, X]}, {"x": left, "y": right}) is same
    assert evaluate({"in": [X, Y]}, {"x": left, "y": ["z", right]}) is same


@pytest.mark.parametrize("value", [[], ["a"], {}, {"a": 1}])
def test_arrays_and_objects_have_no_equality(value):
    for expression in ({"===": [X, X]}, {"in": [X, [X]]}, {"===": [NOW, NOW]}):
        with pytest.raises(OperandError, match="no equality"):
            evaluate(expression, {"x": value})


@pytest.mark.parametrize("container", ["abc", {"a": 1}, 1, True])
def test_nothing_is_in_what_is_no_array(container):
    with pytest.raises(OperandError, match="not an array"):
        evaluate({"in": ["a", X]}, {"x": container})


@pytest.mark.parametrize("operand", ["1", None, True, 0.5, [], {}])
@pytest.mark.parametrize("name", ["+", "<", ">", "<=", ">="])
def test_only_integers_are_added_and_compared(name, operand):
    with pytest.raises(OperandError, match="not an integer"):
        evaluate({name: [X, 1]}, {"x": operand})
    with pytest.raises(OperandError, match="not an integer"):
        evaluate({name: [1, X]}, {"x": operand})


def test_an_integer_may_be_written_with_a_point():
    assert evaluate({">=": [X, 373.0]}, {"x": 373}) is True
    assert evaluate({"+": [X, 1]}, {"x": 372.0}) == 373


@pytest.mark.parametrize("name", ["<", "before"])
def test_between_refuses_a_wrong_third_operand_even_when_the_first_two_decide(name):
    with pytest.raises(OperandError):
        evaluate({name: [2, 1, "x"]})


@pytest.mark.parametrize("operand", ["2026-01-01", 0, None, True, [NOW]])
@pytest.mark.parametrize("name", ["after", "before", "not-after", "not-before"])
def test_only_date_times_are_compared_as_such(name, operand):
    with pytest.raises(OperandError, match="not a date-time"):
        evaluate({name: [X, NOW]}, {"x": operand})


# --- access, laziness -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "facts", "value"),
    [
        ("0", {"0": "key"}, "key"),
        ("x.0", {"x": "text"}, None),
        ("x.length", {"x": [1, 2]}, None),
        ("-1", [1, 2], None),
        ("x.y.z", {"x": {"y": 1}}, None),
        ("x", {"x": False}, False),
        ("9" * 5000, [1], None),
        ("²", [1, 2, 3], None),
    ],
)
def test_data_access_finds_what_is_there_or_null(path, facts, value):
    assert evaluate({"var": path}, facts) is value


def test_the_branch_not_taken_is_not_evaluated():
    broken = {"+": ["a", "b"]}
    assert evaluate({"if": [True, 1, broken]}) == 1
    assert evaluate({"if": [False, broken, 2]}) == 2
    assert evaluate({"and": [False, broken]}) is False


def test_a_lambda_sees_the_facts_around_it():
    count = {"+": [{"var": "accumulator"}, {"var": "current"}]}
    inner = {"reduce": [{"var": "data.x"}, count, 0]}
    facts = {"x": [1, 2, 3]}
    assert evaluate({"reduce": [X, inner, 0]}, facts) == 6


# --- validation -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "pointer", "message"),
    [
        ({"if": [True, 1]}, "", 'wrong number of operands of "if": 2'),
        ({"if": [True, 1, 2, 3]}, "", 'wrong number of operands of "if": 4'),
        ({"and": [True]}, "", 'wrong number of operands of "and": 1'),
        ({"!": []}, "", 'wrong number of operands of "!": 0'),
        ({"===": [1]}, "", 'wrong number of operands of "===": 1'),
        ({"<": [1, 2, 3, 4]}, "", 'wrong number of operands of "<": 4'),
        ({"reduce": [[], 1]}, "", 'wrong number of operands of "reduce": 2'),
        ({"dccDateOfBirth": []}, "", 'wrong number of operands of "dccDateOfBirth": 0'),
        ({"plusTime": ["2021", True, "day"]}, "", "a literal integer and one of"),
        ({"plusTime": ["2021", 0.5, "day"]}, "", "a literal integer and one of"),
        ({"plusTime": ["2021", 10**9, "day"]}, "", "a literal integer and one of"),
        ({"plusTime": ["2021", 1, "week"]}, "", "year, month, day, hour"),
        ({"plusTime": ["2021", 1, ["day"]]}, "", "year, month, day, hour"),
        ({"plusTime": ["2021", 1]}, "", "a literal integer and one of"),
        ({"plusTime": [None, 1, "day"]}, "/plusTime/0", "invalid CertLogic expression"),
        ({"extractFromUVCI": ["", "0"]}, "", "a literal integer"),
        ({"extractFromUVCI": [None, 0]}, "/extractFromUVCI/0", "invalid CertLogic"),
        ({"and": [True, {"!": [[1, {"var": "a..b"}]]}]}, "/and/1/!/0/1", "valid format: a..b"),
        ({"===": [X, None]}, "/===/1", "invalid CertLogic expression"),
        (2**53, "", "beyond 2^53 - 1"),
        (1e300, "", "beyond 2^53 - 1"),
        (float("nan"), "", "nan is a non-integer number"),
    ],
)
def test_an_issue_says_where_and_what(expression, pointer, message):
    (issue,) = certlogic.validate(expression)
    assert issue.pointer == pointer
    assert message in issue.message
    with pytest.raises(CertLogicError) as refused:
        certlogic.compile_rule(expression)
    # By representation, since NaN in an expression equals not even itself.
    assert repr(refused.value.issues) == repr((issue,))


def test_all_issues_are_listed_in_the_order_of_the_expression():
    issues = certlogic.validate({"if": [{"or": []}, None, 0.5]})
    assert [issue.pointer for issue in issues] == ["/if/0", "/if/1", "/if/2"]


def test_an_operand_error_points_to_its_operation_and_keeps_no_value():
    rule = certlogic.compile_rule({"and": [True, {"if": [{">": [X, 1]}, 1, 2]}]})
    with pytest.raises(OperandError) as refused:
        rule({"x": "ZHANG SAN"})
    assert refused.value.pointer == "/and/1/if/0"
    assert "ZHANG" not in str(refused.value)


# --- bounds ---------------------------------------------------------------------------------


def test_nesting_is_bounded():
    assert certlogic.validate(chain(certlogic.MAX_DEPTH)) == []
    (issue,) = certlogic.validate(chain(certlogic.MAX_DEPTH + 1))
    assert "nested too deeply" in issue.message
    assert len(certlogic.validate(chain(100_000))) == 1


def test_the_steps_of_one_evaluation_are_bounded():
    assert certlogic.validate([1] * (certlogic.MAX_STEPS - 1)) == []
    issues = certlogic.validate([1] * (10 * certlogic.MAX_STEPS))
    assert {issue.message for issue in issues} == {"expression takes too many steps"}
    assert len(issues) == certlogic.MAX_ISSUES


def test_a_lambda_counts_for_every_item_it_may_meet():
    body = [1] * (certlogic.MAX_STEPS // certlogic_operations.MAX_REDUCE_ITEMS)
    assert certlogic.validate({"reduce": [X, body[2:], 0]}) == []
    assert certlogic.validate({"reduce": [X, body, 0]}) != []


def test_a_lambda_within_a_lambda_counts_for_every_pair():
    count = {"+": [{"var": "accumulator"}, {"var": "current"}]}
    assert certlogic.validate({"reduce": [X, {"reduce": [X, count, 0]}, 0]}) == []
    assert certlogic.validate({"reduce": [X, {"reduce": [X, [count] * 10, 0]}, 0]}) != []


def test_reduce_walks_a_bounded_array():
    rule = certlogic.compile_rule({"reduce": [X, {"var": "current"}, 0]})
    assert rule({"x": list(range(100))}) == 99
    with pytest.raises(OperandError, match="more than 100 items"):
        rule({"x": list(range(101))})


def test_a_sum_stays_within_the_exact_integers():
    double = {"+": [{"var": "accumulator"}, {"var": "accumulator"}]}
    with pytest.raises(OperandError, match="beyond"):
        evaluate({"reduce": [X, double, 1]}, {"x": [0] * 100})


# --- properties -----------------------------------------------------------------------------

texts = st.sampled_from(
    ["", "x", "y.0", "2021-02-29", "2004", "URN:UVCI:01:AT:A#B", "day", "é"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | texts
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=2) | texts, inner, max_size=2)
    ),
    max_leaves=8,
)
names = st.sampled_from(
    ["var", "plusTime", "extractFromUVCI", "or", *certlogic_operations.OPERATIONS]
)
lookalikes = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(names, st.lists(inner, max_size=4) | texts, max_size=2)
    ),
    max_leaves=20,
)
integers = st.integers(-(2**53), 2**53)
valid = st.recursive(
    st.booleans()
    | st.integers(-3, 3)
    | texts
    | st.sampled_from(["", "x", "y", "x.0", "current", "accumulator"]).map(
        lambda p: {"var": p}
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(
            st.sampled_from(["===", "in", "+"]), st.lists(inner, min_size=2, max_size=2)
        ).map(lambda pair: {pair[0]: pair[1]})
        | st.tuples(
            st.sampled_from(
                ["<", ">", "<=", ">=", "after", "before", "not-after", "not-before"]
            ),
            st.lists(inner, min_size=2, max_size=3),
        ).map(lambda pair: {pair[0]: pair[1]})
        | st.tuples(
            st.sampled_from(["if", "reduce"]), st.lists(inner, min_size=3, max_size=3)
        ).map(lambda pair: {pair[0]: pair[1]})
        | st.lists(inner, min_size=2, max_size=4).map(lambda operands: {"and": operands})
        | inner.map(lambda operand: {"!": [operand]})
        | inner.map(lambda operand: {"dccDateOfBirth": [operand]})
        | inner.map(lambda operand: {"extractFromUVCI": [operand, 1]})
        | st.tuples(
            inner, st.integers(-(10**8), 10**8), st.sampled_from(certlogic_dates.Unit)
        ).map(lambda triple: {"plusTime": list(triple)})
    ),
    max_leaves=10,
)


@given(json_values | lookalikes)
def test_any_json_compiles_or_has_issues(expression):
    issues = certlogic.validate(expression)
    assert repr(issues) == repr(certlogic.validate(expression))
    if issues:
        with pytest.raises(CertLogicError):
            certlogic.compile_rule(expression)
    else:
        certlogic.compile_rule(expression)


def outcome(rule, facts):
    try:
        return repr(rule(facts))
    except OperandError as error:
        return str(error)


@given(valid, json_values)
def test_any_facts_give_a_value_or_an_operand_error_and_stay_as_they_were(expression, facts):
    before = copy.deepcopy((expression, facts))
    rule = certlogic.compile_rule(expression)
    first = outcome(rule, facts)
    assert outcome(rule, facts) == first
    assert outcome(certlogic.compile_rule(json.loads(json.dumps(expression))), facts) == first
    assert repr((expression, facts)) == repr(before)


@given(integers, integers)
def test_comparisons_exclude_one_another(left, right):
    facts = {"x": left, "y": right}
    said = [evaluate({name: [X, Y]}, facts) for name in ("<", ">", "<=", ">=")]
    assert said == [left < right, left > right, left <= right, left >= right]
