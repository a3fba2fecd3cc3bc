"""No damage lets a certificate, a card or a seal out of the house; codes of providers go."""

import random
from urllib.parse import quote

import _issuing as made
import _mutating
import credential_vectors
import pytest
from vectors import SHARED, needed

from twinstile.credentials import egress_filter, wedge
from twinstile.credentials.providers.settings import CodeForm

KEY = made.key()
CODES = {
    "certificate": made.dcc(KEY),
    "card": made.jws(KEY),
    "digits": made.numeric(made.jws(KEY)),
    "seal": made.seal(KEY, made.certificate(KEY, KEY)),
}
DAMAGES = {
    "none": str,
    "blank": lambda text: f" {text}",
    "small": str.lower,
    "large": str.upper,
    "swapped": str.swapcase,
    "beheaded": lambda text: text[5:],
    "address": lambda text: f"https://h.example/?c={quote(text)}&d=1",
    "twice encoded": lambda text: quote(quote(text)),
    "wide": lambda text: text.translate({n: n - 0x20 + 0xFF00 for n in range(33, 127)}),
    **{
        layout: lambda text, keys=keys: text.translate(
            {ord(v): chr(k) for k, v in keys.items()}
        )
        for layout, keys in wedge.LAYOUTS.items()
    },
}


def damaged(code, dice):
    return DAMAGES[dice.choice(list(DAMAGES))](_mutating.mutated(code, dice))


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", CODES)
def test_whatever_was_done_to_it_it_stays(kind, damage):
    assert egress_filter.never_leaves(DAMAGES[damage](CODES[kind]))


@pytest.mark.parametrize("kind", CODES)
def test_chance_damage_lets_nothing_out(kind):
    dice = random.Random(222)
    for _ in range(300):
        text = damaged(CODES[kind], dice)
        assert egress_filter.never_leaves(text), text


@pytest.mark.parametrize("kind", ["certificate", "seal", "digits"])
def test_no_piece_however_short_looks_like_a_code(kind):
    """A provider that names no beginnings names the form of its codes: here the common one."""
    token = CodeForm(alphabet="hex", shortest=32, longest=64).shape()
    dice, text = random.Random(222), CODES[kind]
    for _ in range(2000):
        at, size = dice.randrange(len(text)), dice.randint(1, 64)
        piece = text[at : at + size]
        assert egress_filter.never_leaves(piece) or not token.fits(piece), piece


@needed
def test_no_real_certificate_leaves_damaged_or_whole():
    dice = random.Random(222)
    found = [
        v["PREFIX"] for _, v in credential_vectors.vectors_of_the_eu(SHARED) if "PREFIX" in v
    ]
    whole = [one for one in found if one.startswith("HC1:") and len(one) > 200]
    assert len(whole) > 150
    for one in whole:
        assert egress_filter.never_leaves(one)
        assert egress_filter.never_leaves(damaged(one, dice)), one


@pytest.mark.parametrize("text", ["shlink:/eyJ1", "SHLINK:/x", "a#vhlink:/x", "v hlink:/x"])
def test_a_link_stays(text):
    assert egress_filter.never_leaves(text)


@pytest.mark.parametrize(
    "text",
    [
        "GREEN",
        "https://hc.example.gov.cn/q?t=MjAyNi0wOC0wMQ%3D%3D&v=1.2+3",
        "HC:610102199003071234",
        "61010219900307123413900000000",
        "f" * 64,
        "https://hc.example/?t=eyJhbGciOiJIUzI1NiJ9.eyJpZCI6MTIzNDU2fQ.c2lnbmF0dXJl",
    ],
)
def test_a_code_of_a_provider_goes(text):
    assert not egress_filter.never_leaves(text)
