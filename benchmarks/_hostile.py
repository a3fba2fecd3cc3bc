"""Texts that were made to cost much: bombs, depth, length. All have to end soon."""

import base64
import json
import random
import zlib
from collections.abc import Iterator

import _issuing as made
import cbor2


def texts(dice: random.Random) -> Iterator[tuple[str, str]]:
    """Names and texts."""
    yield "empty", ""
    yield "long nonsense", "x" * (1 << 20)
    yield "long base45", "HC1:" + "0" * (1 << 20)
    yield "longest base45", "HC1:" + "0" * 8190
    yield "long digits", "shc:/" + "5" * (1 << 20)
    yield "longest digits", "shc:/" + "56" * 4000
    yield "long JSON", '{"data":{"hdr":{"t":"icao.vacc"}}' + "," * (1 << 20)
    yield from _containers()
    yield from _headers()
    yield from _cards(dice)
    yield from _seals(dice)


def _containers() -> Iterator[tuple[str, str]]:
    yield "zip bomb", made.code(b"\0" * (1 << 22))
    yield "zip bomb of a message", made.code(_message(payload=b"\0" * (1 << 20)))
    yield "whole room", made.code(_message(payload=b"\0" * (63 << 10)))
    yield "not compressed", "HC1:" + made.base45(b"\x84" + b"\x40" * 4000)
    yield "deep", made.code(b"\x81" * 60_000)
    yield "half a stream", "HC1:" + made.base45(zlib.compress(b"\0" * 60_000)[:-8])
    many = zlib.compress(bytes(65_000 * [0x80]), 9)
    yield "nothing but arrays", "HC1:" + made.base45(b"\x84" + many)


def _headers() -> Iterator[tuple[str, str]]:
    two_thousand = b"\xb9\x07\xd0"
    prime = (1 << 61) - 1  # of which the hash of an integer is the remainder
    alike = ((n * prime % (1 << 64)).to_bytes(8, "big") for n in range(2000))
    for name, header in {
        "arrays": b"\x99\xff\xff" + b"\x80" * 65_000,
        "maps": two_thousand + b"".join(b"\x19%c%c\xa0" % divmod(n, 256) for n in range(2000)),
        "keys alike": two_thousand + b"".join(b"\x1b%b\x01" % one for one in alike),
        "depth": b"\xa1\x04" + b"\x81" * 60_000,
        "promises": b"\xbb" + b"\xff" * 8,
        "a long text": b"\x7b" + b"\xff" * 8,
        "a great number": b"\xa1\x04\xc2\x59\xff\xff" + b"\xff" * 60_000,
        "a pattern": b"\xa1\x04\xd8\x23\x78\x20" + b"(a+)+" * 6 + b"$$",
        "shared values": b"\xa1\x04\xd8\x1c\x82\xd8\x1d\x00\xd8\x1d\x00",
    }.items():
        yield f"a header of {name}", made.code(b"\x84\x40" + header + b"\x40\x40")
        protected = cbor2.dumps(header[:40_000])
        yield f"a protected header of {name}", made.code(b"\x84" + protected + b"\xa0\x40\x40")


def _cards(dice: random.Random) -> Iterator[tuple[str, str]]:
    private = made.key()
    deep = base64.urlsafe_b64encode(b'{"a":' * 1500).rstrip(b"=").decode()
    yield "a header of depth, of a card", f"{deep}.AAAA.AAAA"
    wide = json.dumps({"alg": "ES256", "zip": "DEF", "kid": "x", "a": [[]] * 1500}).encode()
    yield "a wide header of a card", f"{made.b64url(wide)}.AAAA.{'A' * 86}"
    bomb = {**made.CARD, "x": "0" * (1 << 20)}
    yield "a card that swells", made.jws(private, bomb)
    yield "a card of nobody", made.numeric(made.jws(private))
    yield "a file of much", '{"verifiableCredential":[' + "[]," * 5400 + "[]]}"
    yield "a file of many cards", json.dumps({"verifiableCredential": ["a.b.c"] * 1900})
    yield "chunks", " ".join(f"shc:/{n}/9/5676" for n in range(1, 9))
    yield "dots", "eyJ" + "." * 8000
    yield "noise", "shc:/" + "".join(dice.choices("0123456789", k=7000))


def _seals(dice: random.Random) -> Iterator[tuple[str, str]]:
    sig = {"alg": "ES256", "sigvl": made.b64url(bytes(64))}
    noise = made.b64url(dice.randbytes(4000))
    for name, data, certificate in (
        ("a deep seal", '{"t":"icao.vacc","a":' + "[" * 900 + "]" * 900 + "}", "AAAA"),
        ("a wide seal", '{"t":"icao.vacc","a":[' + "[]," * 2300 + "[]]}", "AAAA"),
        ("a seal of numbers", '{"t":"icao.vacc","a":[' + "1," * 3500 + "1]}", "AAAA"),
        ("a seal of a long number", '{"t":"icao.vacc","a":' + "9" * 7000 + "}", "AAAA"),
        ("a seal with noise for a certificate", '{"t":"icao.vacc"}', noise),
        (
            "a seal with a deep certificate",
            '{"t":"icao.vacc"}',
            made.b64url(b"\x30\x80" * 2500),
        ),
    ):
        yield name, f'{{"data":{data},"sig":{json.dumps({**sig, "cer": certificate})}}}'
    ours, theirs = made.key(), made.key()
    signer = made.certificate(theirs, ours)
    yield "a seal of nobody", made.seal(theirs, signer)
    for _ in range(20):
        broken = bytearray(signer)
        broken[dice.randrange(len(broken))] ^= 1 << dice.randrange(8)
        yield "a seal with a broken certificate", made.seal(theirs, bytes(broken))


def _message(payload: bytes) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(18, [b"\xa1\x01\x26", {4: made.KID}, payload, bytes(64)]))
