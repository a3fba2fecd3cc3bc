"""What a whole verification of a credential costs, beside the signature it cannot do without.

    python3 dev.py bench credentials --json

`dcc_ratio`, `shc_ratio`: verifications a second, from the scanned text to the assessment, over
verifications of one bare P-256 signature a second, in this process, on one processor, in turns
of fifty, which take some milliseconds; the best of `--rounds` turns of each, so that what
others do on the machine counts as little as it can. Every code is another person's, by keys of
a list of eight hundred.

`black_hole_p99_ratio`: p99 of lanes that ask no provider, while others ask one that never
answers, over the same while it answers them; the shipped service, in alternating windows.
`black_hole_answer_max_ms`: the longest that a lane waits that asks it (`_black_hole`).

`hostile_max_ms`, `hostile_max_kib`: the longest time and the most memory that any of a set of
texts takes that were made to cost much. `--mutations N`: in N random mutations of each code
none may verify as other content, and none may raise; without it that is not tried.
"""

import argparse
import asyncio
import gc
import json
import os
import random
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import _black_hole
import _hostile
import _issuing as made
import _mutating
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from twinstile.credentials import certificates, offline, trust
from twinstile.credentials.trust import TrustList
from twinstile.credentials.types import Context

CODES = 50
CONTEXT = Context(made.NOW)


def main() -> None:
    options = arguments()
    if options.quick:
        options.rounds, options.windows = 40, 3
    with tempfile.TemporaryDirectory(prefix="twinstile-bench-", dir=options.folder) as made_in:
        folder = Path(made_in)
        folder.chmod(0o711)  # passable for the account of root's database server
        lanes = asyncio.run(_black_hole.measured(folder, options.windows))
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    listed, certificates_, cards = furnished()
    result: dict[str, object] = {
        **rates(listed, certificates_, cards, options),
        **hostile(listed),
        **lanes,
    }
    if options.mutations:
        whole = [certificates_[0], cards[0], made.numeric(cards[0])]
        result["mutations"] = sum(
            _mutating.tried(code, listed, CONTEXT, options.mutations, seed=222)
            for code in whole
        )
    print(json.dumps(result) if options.json else readable(result))


def furnished() -> tuple[TrustList, Sequence[str], Sequence[str]]:
    """A list of the size of Europe's, and codes of invented people."""
    signers = [made.key() for _ in range(8)]
    keys = [
        made.trusted(private, kid=made.KID[:7] + bytes([number]))
        for number, private in enumerate(signers)
    ]
    others = (made.trusted(made.key(), kid=os.urandom(8)) for _ in range(800))
    issuer = made.key()
    card_key = certificates.of_card_issuer(made.jwk(issuer), made.CARDS)
    listed = TrustList(
        1,
        made.NOW - timedelta(hours=1),
        made.NOW + timedelta(days=7),
        trust.by_kid([*keys, *others, card_key]),
        {keys[0].kid: {kind: trust.Slice.of([os.urandom(16)]) for kind in trust.HashType}},
    )
    codes = [
        made.dcc(signers[n % 8], made.claims(_person(n)), kid=keys[n % 8].kid)
        for n in range(CODES)
    ]
    cards = [made.jws(issuer, {**made.CARD, "nbf": made.SECOND - n}) for n in range(CODES)]
    for code in (*codes, *cards):
        if offline.verify(code, listed, CONTEXT).outcome is not made.GENUINE:
            raise SystemExit("a code of the benchmark does not verify")
    return listed, codes, cards


def _person(number: int) -> dict[str, object]:
    names = {**made.CERTIFICATE["nam"], "gn": f"Gabriele {number}"}
    return {**made.CERTIFICATE, "nam": names}


def rates(
    listed: TrustList,
    codes: Sequence[str],
    cards: Sequence[str],
    options: argparse.Namespace,
) -> dict[str, object]:
    """Of the three in turns, so that others on the machine disturb all alike."""
    if not gc.isenabled():
        raise SystemExit("garbage collection is off")
    numeric = [made.numeric(card) for card in cards]
    ways: dict[str, Callable[[int], object]] = {
        "p256": bare(),
        "dcc": lambda n: offline.verify(codes[n], listed, CONTEXT),
        "shc": lambda n: offline.verify(numeric[n], listed, CONTEXT),
    }
    best = dict.fromkeys(ways, 0.0)
    for _ in range(options.rounds):
        for name, way in ways.items():
            best[name] = max(best[name], rate(way))
    return {
        "dcc_ratio": round(best["dcc"] / best["p256"], 3),
        "shc_ratio": round(best["shc"] / best["p256"], 3),
        **{f"{name}_per_s": round(one) for name, one in best.items()},
    }


def bare() -> Callable[[int], object]:
    private = made.key()
    public, message = private.public_key(), os.urandom(400)
    raw, algorithm = made.raw(private, message), ec.ECDSA(hashes.SHA256())
    signature = encode_dss_signature(
        int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    )
    return lambda _: public.verify(signature, message, algorithm)


def rate(way: Callable[[int], object]) -> float:
    """Of every code once, by the processor's time, so that waiting for it does not count."""
    began = time.thread_time()
    for number in range(CODES):
        way(number)
    return CODES / (time.thread_time() - began)


def hostile(listed: TrustList) -> dict[str, object]:
    worst: dict[str, object] = {"hostile_max_ms": 0.0, "hostile_max_kib": 0.0}
    for name, text in _hostile.texts(random.Random(222)):
        shortest = min(_spent(text, listed) for _ in range(3))
        most = _taken(text, listed)
        if shortest > worst["hostile_max_ms"]:  # pyright: ignore[reportOperatorIssue]
            worst |= {"hostile_max_ms": round(shortest, 3), "hostile_slowest": name}
        if most > worst["hostile_max_kib"]:  # pyright: ignore[reportOperatorIssue]
            worst |= {"hostile_max_kib": round(most, 1), "hostile_largest": name}
    return worst


def _spent(text: str, listed: TrustList) -> float:
    began = time.thread_time()
    offline.verify(text, listed, CONTEXT)
    return (time.thread_time() - began) * 1000


def _taken(text: str, listed: TrustList) -> float:
    tracemalloc.start()
    try:
        offline.verify(text, listed, CONTEXT)
        return tracemalloc.get_traced_memory()[1] / 1024
    finally:
        tracemalloc.stop()


def readable(result: dict[str, object]) -> str:
    return "\n".join(f"{name:18} {value}" for name, value in result.items())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quick", action="store_true", help="a few seconds, little said")
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--windows", type=int, default=25, help="with a silent provider")
    parser.add_argument("--folder", type=Path, default=None, help="for the service's data")
    parser.add_argument("--mutations", type=int, default=0, help="of each code, e.g. 10000")
    return parser.parse_args()


if __name__ == "__main__":
    main()
