"""Signed requests: what is signed, and everything that is refused."""

import datetime as dt
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstile.platform.http import request_signatures
from twinstile.platform.http.request_signatures import (
    Algorithm,
    SharedKey,
    SignatureFault,
)

NOW = dt.datetime(2026, 11, 20, 8, 0, tzinfo=dt.UTC)
OLD = SharedKey("rail-1", b"0123456789abcdef0123456789abcdef")
NEW = SharedKey("rail-2", b"fedcba9876543210fedcba9876543210", Algorithm.HMAC_SM3)
TARGET = "/v1/feeds/rail/deliveries?b=2&a=1"
BODY = b"{}"


def test_sm3_is_the_one_of_the_standard() -> None:
    digest = NEW.digest(b"abc")  # GB/T 32905-2016, A.1
    assert digest == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"


def test_the_string_that_is_signed() -> None:
    text = request_signatures.canonical(
        "post", TARGET, "d" * 64, "1790000000", "nonce", "rail-1"
    )
    assert (
        text
        == f"POST\n/v1/feeds/rail/deliveries?a=1&b=2\n{'d' * 64}\n1790000000\nnonce\nrail-1"
    )
    assert request_signatures.canonical("GET", "/a", "", "", "", "").split("\n")[1] == "/a"


@pytest.mark.parametrize("key", [OLD, NEW])
def test_what_is_signed_with_either_key_is_known(key: SharedKey) -> None:
    told = request_signatures.headers(key, "POST", TARGET, BODY, NOW)
    reordered = "/v1/feeds/rail/deliveries?a=1&b=2"
    signed = request_signatures.verify([OLD, NEW], "POST", reordered, told, NOW)
    assert signed.key is key
    signed.check(BODY)
    with pytest.raises(SignatureFault, match="digest-mismatch"):
        signed.check(BODY + b" ")


Told = dict[str, str]


def changed(name: str, value: str) -> Callable[[Told], Told]:
    return lambda told: told | {name: value}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda _: {}, "signature-missing"),
        (changed(request_signatures.NONCE, ""), "signature-missing"),
        (changed(request_signatures.NONCE, "n" * 20), "signature-mismatch"),
        (changed(request_signatures.NONCE, "n" * 15), "signature-malformed"),
        (changed(request_signatures.NONCE, "\uff4e" * 20), "signature-malformed"),
        (changed(request_signatures.TIMESTAMP, "1790000001"), "signature-mismatch"),
        (changed(request_signatures.TIMESTAMP, "١٢٣"), "signature-malformed"),
        (changed(request_signatures.TIMESTAMP, "9" * 400), "signature-malformed"),
        (changed(request_signatures.DIGEST, "a" * 64), "signature-mismatch"),
        (changed(request_signatures.KEY_ID, "rail-9"), "key-unknown"),
        (changed(request_signatures.KEY_ID, "rail-2"), "signature-mismatch"),
        (changed(request_signatures.SIGNATURE, "é" * 64), "signature-malformed"),
    ],
)
def test_a_head_that_was_changed_is_refused(
    change: Callable[[Told], Told], reason: str
) -> None:
    told = change(request_signatures.headers(OLD, "POST", TARGET, BODY, NOW))
    with pytest.raises(SignatureFault, match=reason):
        request_signatures.verify([OLD, NEW], "POST", TARGET, told, NOW)


@pytest.mark.parametrize(
    ("method", "target"), [("GET", TARGET), ("POST", TARGET.replace("rail", "police"))]
)
def test_a_signature_is_for_one_request_only(method: str, target: str) -> None:
    told = request_signatures.headers(OLD, "POST", TARGET, BODY, NOW)
    with pytest.raises(SignatureFault, match="signature-mismatch"):
        request_signatures.verify([OLD], method, target, told, NOW)


@given(seconds=st.integers(-100_000, 100_000))
def test_clocks_may_be_five_minutes_apart(seconds: int) -> None:
    told = request_signatures.headers(
        OLD, "POST", TARGET, BODY, NOW + dt.timedelta(seconds=seconds)
    )
    if abs(seconds) <= 300:
        request_signatures.verify([OLD], "POST", TARGET, told, NOW)
    else:
        with pytest.raises(SignatureFault, match="clock-skew"):
            request_signatures.verify([OLD], "POST", TARGET, told, NOW)


def test_a_short_secret_is_refused_and_none_is_shown() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        SharedKey("rail-1", b"short")
    assert "0123" not in repr(OLD)
