"""Judge twinstile by the test vectors of others: `python tests/conformance.py`.

Prints each disagreement, one line of counts per suite and a last line of totals. Exits with 1
if there is any disagreement, with 0 if there is none or the vectors are not on this machine.
"""

import sys

import suites


def main() -> int:
    data = suites.shared_data()
    if data is None:
        _say("No test vectors on this machine (TWINSTILE_SHARED_DATA names their folder).")
        return 0
    passed = failed = 0
    for name, cases in suites.SUITES.items():
        verdicts = [case.failure() for case in cases(data)]
        failures = [failure for failure in verdicts if failure is not None]
        for failure in failures:
            _say(f"  {failure}")
        _say(f"{name}: {len(verdicts) - len(failures)} passed, {len(failures)} failed")
        passed += len(verdicts) - len(failures)
        failed += len(failures)
    _say(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
