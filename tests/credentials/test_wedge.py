"""A code typed by a scanner comes back whole, whatever layout, prefix or line end it met."""

import _issuing as made
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstile.credentials import wedge

PRIVATE = made.key()
CODE = made.dcc(PRIVATE)
DIGITS = made.numeric(made.jws(PRIVATE))


def printed(text, layout):
    """What a keyboard of that layout prints for the keys of a text."""
    keys = {key: chr(code) for code, key in wedge.LAYOUTS[layout].items()}
    return "".join(keys[key] for key in text)


@pytest.mark.parametrize("layout", wedge.LAYOUTS)
def test_a_layout_is_one_to_one(layout):
    keys = wedge.LAYOUTS[layout]
    assert len(set(keys.values())) == len(keys) == 48


@pytest.mark.parametrize("layout", wedge.LAYOUTS)
@pytest.mark.parametrize("code", [CODE, DIGITS], ids=["certificate", "card"])
def test_a_code_printed_by_another_layout_is_read(layout, code):
    assert wedge.repair(printed(code, layout) + "\r\n") == code


@pytest.mark.parametrize("lost", range(5))
def test_a_prefix_that_was_lost_is_put_back(lost):
    assert wedge.repair(CODE[lost:]) == CODE
    assert wedge.repair(DIGITS[lost + 1 :]) == DIGITS
    assert wedge.repair(printed(CODE, "German")[lost:] + "\t") == CODE


def test_inner_and_outer_blanks_stay_for_they_are_digits():
    assert wedge.repair(" x y ") == " x y "


def test_a_whole_code_is_left_alone():
    for code in (CODE, DIGITS, made.jws(PRIVATE)):
        assert wedge.repair(code) == code


def test_a_code_that_is_damaged_otherwise_stays_damaged():
    broken = CODE[:50] + ("A" if CODE[50] != "A" else "B") + CODE[51:]
    assert wedge.repair(broken) == broken
    assert wedge.repair("5" * 100_000) == "5" * 100_000


@given(st.text(max_size=60))
def test_any_text_comes_back(text):
    assert wedge.repair(text) == text.strip("\r\n\t")
