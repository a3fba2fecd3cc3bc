"""Judge twinstile by the test vectors of others: `python tests/conformance.py`.

Prints each disagreement, one line of counts per suite and a last line of totals. Exits with 1
if there is any disagreement but with vectors that are known to be wrong or disputed, with 0 if
there is none or the vectors are not on this machine.
"""

import sys
from collections import Counter

import credential_vectors
import published_vectors

SUITES = {**published_vectors.SUITES, **credential_vectors.SUITES}


def main() -> int:
    data = published_vectors.shared_data()
    if data is None:
        _say("No test vectors on this machine (TWINSTILE_SHARED_DATA names their folder).")
        return 0
    total: Counter[str] = Counter()
    for name, cases in SUITES.items():
        counts = Counter(_judge(case) for case in cases(data))
        _say(f"{name}: {_told(counts)}")
        total += counts
    _say(_told(total))
    return 1 if total["failed"] else 0


def _judge(case: published_vectors.Case) -> str:
    failure = case.failure()
    if failure is None:
        return "passed"
    _say(f"  {failure}{' (disputed)' if case.disputed else ''}")
    return "disputed" if case.disputed else "failed"


def _told(counts: Counter[str]) -> str:
    disputed = f", {counts['disputed']} disputed" if counts["disputed"] else ""
    return f"{counts['passed']} passed, {counts['failed']} failed{disputed}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
