"""What a traveller holds: receipts, passes and eight digits."""

import re
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from twinstile.declarations import codes

KEY = bytes(range(32))
SEVEN = st.integers(0, 10**7 - 1).map(lambda n: f"{n:07}")


def test_a_receipt_is_128_bits_that_depend_on_the_days_key_and_the_senders() -> None:
    key = uuid4()
    one = codes.receipt(KEY, key)
    assert re.fullmatch(r"[A-Z2-7]{26}", one.text)
    assert codes.receipt(KEY, key) == one
    assert len({one, codes.receipt(KEY[::-1], key), codes.receipt(KEY, uuid4())}) == 3
    assert one.text not in repr(one)


def test_the_pass_follows_from_the_receipt_and_says_nothing_of_it() -> None:
    one = codes.receipt(KEY, UUID(int=7))
    assert re.fullmatch(codes.SHOWN_PATTERN, one.pass_code)
    assert one.text[:8] not in one.pass_code
    assert codes.Receipt(one.pass_code.removeprefix(codes.PASS)).digest != one.digest


def test_a_receipt_is_read_from_a_token_and_as_people_type_it() -> None:
    one = codes.receipt(KEY, uuid4())
    token = one.token("hub-7")
    assert codes.read_token(token) == ("hub-7", one)
    assert codes.read_typed(token, "other") == ("hub-7", one)
    for typed in (
        one.spelled,
        one.spelled.lower(),
        one.text,
        f" {one.spelled} ".replace(" ", "-"),
    ):
        assert codes.read_typed(typed, "here") == ("here", one)


def test_nothing_else_is_a_receipt() -> None:
    text = codes.receipt(KEY, uuid4()).text
    for token in (
        "",
        text,
        f"tss.h.{text}",
        f"tsr..{text}",
        f"tsr.h.{text[:-1]}",
        f"tsr.\0.{text}",
    ):
        assert codes.read_token(token) is None
    assert codes.read_typed("张伟 330106", "h") is None


@given(SEVEN, st.integers(0, 7), st.integers(1, 9))
def test_one_wrong_digit_makes_eight_digits_nobodys(seven: str, at: int, by: int) -> None:
    whole = next(f"{seven}{n}" for n in range(10) if codes.is_short(f"{seven}{n}"))
    wrong = whole[:at] + str((int(whole[at]) + by) % 10) + whole[at + 1 :]
    assert not codes.is_short(wrong)


def test_eight_digits_are_written_in_two_groups() -> None:
    code = codes.short_code()
    assert codes.is_short(code)
    assert codes.read_shown(f"{code[:4]} {code[4:]}") == code
    assert not codes.is_short("".join(chr(0xFF10 + int(digit)) for digit in code))
