"""Test vectors that others published, as cases: a name, what is expected, what twinstile says.

The vectors lie outside the repository, in the folder TWINSTILE_SHARED_DATA names or else in
`../shared/data` beside it. A new suite is one function and one entry in SUITES, here or in
`credential_suites.py`; pytest and `conformance.py` then both run it.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from twinstile.policy import certlogic
from twinstile.policy.certlogic import Json


@dataclass(frozen=True, slots=True)
class Case:
    """One assertion of a suite."""

    name: str
    expected: Json
    judge: Callable[[], object]
    disputed: bool = False
    """Whether its makers are known to be wrong here, or not to agree among themselves."""

    def failure(self) -> str | None:
        """Say how twinstile disagrees with the suite, if it does."""
        try:
            actual = self.judge()
        except Exception as error:  # noqa: BLE001 -- also what must never be raised, by its name
            return f"{self.name}: {type(error).__name__} {error}"
        # As text, because to Python True is also 1 and 0 is also False.
        said, wanted = (
            json.dumps(v, sort_keys=True, default=str) for v in (actual, self.expected)
        )
        return None if said == wanted else f"{self.name}: {said} instead of {wanted}"


def shared_data() -> Path | None:
    """Find the folder of vectors, None if it is not on this machine."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TWINSTILE_SHARED_DATA", beside))
    return folder if folder.is_dir() else None


def certlogic_evaluation(data: Path) -> Iterator[Case]:
    """Read the specification's test suite, including the cases its own evaluators skip."""
    for file, case in _suite_cases(data / "credentials/eu-dcc/certlogic-testSuite"):
        for number, assertion in enumerate(case["assertions"]):
            expression = assertion.get("certLogicExpression", case.get("certLogicExpression"))
            yield Case(
                f"{file}, {case['name']}, assertion {number}",
                assertion["expected"],
                partial(_evaluated, expression, assertion["data"]),
            )


def certlogic_validation(data: Path) -> Iterator[Case]:
    """Read the specification's suite of expressions and the issues a validator must raise."""
    for file, case in _suite_cases(data / "credentials/eu-dcc/certlogic-validation-testSuite"):
        expression = case["certLogicExpression"]
        name = f"{file}, {json.dumps(expression)}"
        yield Case(name, case["issues"], partial(_validated, expression))


def entry_rules(data: Path) -> Iterator[Case]:
    """Read the entry rules of EU countries with the certificates they accept and refuse."""
    folder = data / "credentials/eu-dcc"
    value_sets = json.loads((folder / "business-rules-valuesets.json").read_text())
    for line in (folder / "business-rules.jsonl").read_text().splitlines():
        entry = json.loads(line)
        rule = entry["rule"]
        for test in entry["tests"]:
            if "payload" not in test:  # as published: nothing to judge
                continue
            external = dict(test["external"])
            if (named := external.pop("valueSetsRef", None)) is not None:
                external["valueSets"] = value_sets[named]
            facts = {"payload": test["payload"], "external": external}
            yield Case(
                f"{rule['Identifier']} {rule['Version']} {test['file']}",
                test["expected"],
                partial(_evaluated, rule["Logic"], facts),
            )


SUITES: Mapping[str, Callable[[Path], Iterator[Case]]] = {
    "certlogic": certlogic_evaluation,
    "certlogic-validation": certlogic_validation,
    "entry-rules": entry_rules,
}


def _suite_cases(folder: Path) -> Iterator[tuple[str, dict]]:
    for path in sorted(folder.iterdir()):
        for case in json.loads(path.read_text())["cases"]:
            yield path.name, case


def _evaluated(expression: Json, facts: Json) -> Json:
    return certlogic.compile_rule(expression)(facts)


def _validated(expression: Json) -> Json:
    found = certlogic.validate(expression)
    return [{"expr": issue.expression, "message": issue.message} for issue in found]
