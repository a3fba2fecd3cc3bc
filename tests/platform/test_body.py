"""Reading a body: parsers would disagree about some, and some are made to be slow."""

import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstile.platform.http import json_body
from twinstile.platform.http.problems import InvalidRequest, TooDeep

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=60,
)


def depth(value: object) -> int:
    match value:
        case dict():
            return 1 + max(map(depth, value.values()), default=0)
        case list():
            return 1 + max(map(depth, value), default=0)
        case _:
            return 0


@given(VALUES, st.booleans())
def test_what_was_written_is_read_back(value: object, ascii_only: bool) -> None:
    written = json.dumps(value, ensure_ascii=ascii_only)
    try:
        raw = written.encode()
    except UnicodeEncodeError:  # a lone surrogate cannot stand in UTF-8
        return
    assert json_body.parse(raw) == value


@given(VALUES, st.integers(0, 40), st.text('"\\[]{}a', max_size=60))
def test_depth_is_counted_as_a_parser_would(value: object, levels: int, text: str) -> None:
    nested: object = [value, text, "[" * 40]
    for _ in range(levels):
        nested = {text: nested}
    raw = json.dumps(nested).encode()
    if depth(nested) > json_body.MAX_DEPTH:
        with pytest.raises(TooDeep):
            json_body.parse(raw)
    else:
        assert json_body.parse(raw) == nested


@pytest.mark.parametrize(
    "hostile",
    [
        b"[]" * 40 + b'"' + b'\\"' * 400_000,
        b"[]" * 40 + b'"\\' * 400_000,
        b"[" * 800_000,
        b'{"a":' * 160_000,
    ],
    ids=["quotes and no end", "backslashes and no end", "arrays", "objects"],
)
def test_a_body_made_to_be_slow_is_refused_fast(hostile: bytes) -> None:
    began = time.process_time()
    with pytest.raises(InvalidRequest):
        json_body.parse(hostile)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("number", "read"),
    [
        (b"1" * json_body.MAX_DIGITS, int("1" * json_body.MAX_DIGITS)),
        (b"1" * (json_body.MAX_DIGITS + 1), math.inf),
        (b"-" + b"9" * 1_000_000, -math.inf),
        (b"1e400", math.inf),
        (b"-Infinity", -math.inf),
    ],
    ids=["the longest", "longer", "a million digits", "exponent", "word"],
)
def test_a_number_beyond_any_use_is_infinite_for_its_field_to_refuse(
    number: bytes, read: float
) -> None:
    assert json_body.parse(b'{"value": ' + number + b"}") == {"value": read}
