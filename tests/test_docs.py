"""The documents say what the code says, as far as a machine can tell.

A failing table shows the row the code asks for, to be copied into the document.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from urllib.parse import unquote

import pytest
from typer.testing import CliRunner

from twinstile import app
from twinstile.cases import disposition_requirements
from twinstile.cli import main
from twinstile.credentials import words as words_of_credentials
from twinstile.credentials.types import STATUSES
from twinstile.credentials.types import CredentialOutcome as Found
from twinstile.platform.http.problems import Internal, Problem
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ops import observability
from twinstile.platform.ops.settings import Settings
from twinstile.platform.security.auth import DEVICE_SCOPES, ROLE_SCOPES, Scope
from twinstile.platform.security.roles import Role
from twinstile.policy import documents
from twinstile.policy.versions import Policies
from twinstile.screening import alerts, bodies, machine, rules, transition_requirements
from twinstile.screening.evidence import Evidence
from twinstile.screening.types import Outcome
from twinstile.web.openapi import operations

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?^ *```|`[^`\n]+`", re.DOTALL | re.MULTILINE)
_ROUTE = re.compile(r"\b(GET|PUT|POST|DELETE) (/v1/[\w{}/:.-]+)")
_DEV = re.compile(r"\bdev\.py ([a-z]+)")
_COMMAND = re.compile(
    r"(?:^|[\s/`])twinstile "
    r"((?:(?:operator|audit|policy) )?[a-z]+(?:-[a-z]+)*)(?=[\s`]|$)"
)


@cache
def read(page: Path) -> str:
    return page.read_text("utf-8")


def plain(text: str) -> str:
    """The text without code, in which brackets are no links and signs no headings."""
    return _CODE.sub("", text)


def code(text: str) -> Iterator[str]:
    """What is typed: the lines of shell blocks without comments, and spans."""
    for found in _CODE.findall(text):
        if found.startswith("```") and not found.startswith("```sh\n"):
            continue
        for line in found.strip("`").splitlines():
            yield line.split(" # ")[0]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, named as the usual viewers do."""
    headings = re.findall(r"^#+ (.+)$", read(page), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("document", PAGES, ids=NAMES)
def test_links_lead_somewhere(document: Path) -> None:
    for link in _LINK.findall(plain(read(document))):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(target), link


def test_pictures_of_the_documents_are_few_and_small() -> None:
    kept = sorted((ROOT / "docs" / "pictures").iterdir())
    assert sum(picture.stat().st_size for picture in kept) <= 400_000
    shown = {link for page in PAGES for link in _LINK.findall(read(page))}
    assert {f"pictures/{picture.name}" for picture in kept} <= shown


@cache
def routes() -> set[str]:
    return {f"{method.upper()} {path}" for path, method, _ in operations(app.contract())}


@pytest.mark.parametrize("document", PAGES, ids=NAMES)
def test_routes_named_exist(document: Path) -> None:
    named = {f"{method} {path}" for method, path in _ROUTE.findall(read(document))}
    assert named <= routes()


@pytest.mark.parametrize("document", PAGES, ids=NAMES)
def test_commands_of_the_developers_script_exist(document: Path) -> None:
    usage = (ROOT / "dev.py").read_text()
    for command in _DEV.findall(read(document)):
        assert f'    "{command}": {command},' in usage, command


def commands() -> list[str]:
    lines = (line for page in PAGES for line in code(read(page)))
    return sorted({found for line in lines for found in _COMMAND.findall(line)})


@pytest.mark.parametrize("command", commands())
def test_commands_exist(command: str) -> None:
    ran = CliRunner().invoke(main.app, [*command.split(), "--help"])
    assert ran.exit_code == 0, ran.output


def test_the_operators_commands_are_named_at_all() -> None:
    assert {"serve", "doctor", "migrate", "operator add", "enrol-code"} <= set(commands())


def rows(page: str, header: str) -> list[str]:
    """The rows of the table that has this header."""
    _, found, after = read(ROOT / page).partition(f"\n{header}\n")
    assert found, f"{page} has no table {header}"
    return after.partition("\n\n")[0].splitlines()[1:]


def cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Enum):
        return f"`{value.value}`"
    return f"`{json.dumps(value) if isinstance(value, tuple) else value}`"


def test_the_table_of_settings_is_that_of_the_code() -> None:
    found = rows("docs/operators.md", "| Variable | Default | Meaning |")
    assert len(found) == len(Settings.model_fields)
    for (name, field), row in zip(Settings.model_fields.items(), found, strict=True):
        # a setting whose name says it all may be described here alone
        meaning = field.description or row.split(" | ")[-1].removesuffix(" |")
        default = cell(field.default)
        assert row == f"| `TWINSTILE_{name.upper()}` | {default} | {meaning} |"


def kinds(kind: type[Problem] = Problem) -> Iterator[type[Problem]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__.startswith("twinstile."):
            yield from kinds(below)


def words(kind: list[type[Problem]], member: str) -> str:
    """How the problems of one type answer: `true`, `false`, `null`, or more than one."""
    return " or ".join(dict.fromkeys(json.dumps(getattr(one, member)) for one in kind))


def test_the_table_of_problems_is_that_of_the_code() -> None:
    by_slug: dict[str, list[type[Problem]]] = {}
    for kind in kinds():
        if kind is not Problem:  # the base is never raised; `Internal` speaks for its slug
            by_slug.setdefault(kind.slug, []).append(kind)
    assert by_slug[Problem.slug] == [Internal]
    wanted = {
        f"| `{slug}` | {same[0].status} | {words(same, 'retryable')} "
        f"| {words(same, 'stored')} | {same[0].title} |"
        for slug, same in by_slug.items()
    }
    found = rows("docs/api.md", "| Problem | Status | `retryable` | `stored` | Title |")
    assert set(found) == wanted
    assert len(found) == len(wanted)


def test_the_table_of_scopes_is_that_of_the_code() -> None:
    holders = [DEVICE_SCOPES, *(ROLE_SCOPES[role] for role in table_roles())]
    wanted = [
        f"| `{scope}` | {' | '.join('x' if scope in held else '' for held in holders)} |"
        for scope in Scope
    ]
    assert rows("docs/api.md", scopes_header()) == wanted


def test_what_needs_no_token_is_listed() -> None:
    listed = {
        route
        for cells in rows("docs/api.md", "| Without a token | Because |")
        for route in re.findall(r"[A-Z]+ /v1/[\w{}/:-]+", cells)
    }
    document = json.loads(read(ROOT / "openapi" / "v1.json"))
    free = {
        f"{method.upper()} {path}"
        for path, ways in document["paths"].items()
        for method, way in ways.items()
        if path.startswith("/v1/") and not way.get("security")
    }
    assert listed == free


def table_roles() -> list[Role]:
    names = scopes_header().strip("| ").split(" | ")[2:]
    assert set(names) == set(Role)
    return [Role(name) for name in names]


def scopes_header() -> str:
    header = re.search(r"^\| Scope \| device \|.*$", read(ROOT / "docs/api.md"), re.MULTILINE)
    assert header is not None
    return header.group()


def test_every_outcome_of_a_credential_is_told_to_officers() -> None:
    def status(outcome: Found) -> str:
        return f"`{STATUSES[outcome]}`" if outcome in STATUSES else "as answered"

    wanted = [
        f"| `{outcome}` | {status(outcome)} | {text['en']} |"
        for outcome, text in words_of_credentials.OUTCOMES.items()
    ]
    found = rows("docs/credentials.md", "| Outcome | Status on the check | Words |")
    assert sorted(found) == sorted(wanted)


def first_cells(page: str, header: str) -> list[str]:
    return [row.split("|")[1].strip().strip("`") for row in rows(page, header)]


def test_what_a_step_needs_is_listed_event_by_event() -> None:
    def names(fields: frozenset[str]) -> str:
        return ", ".join(f"`{name}`" for name in sorted(fields))

    wanted = [
        f"| `{event}` | {names(terms.needs)} | {names(terms.takes)} |"
        for event, terms in transition_requirements.TERMS.items()
    ]
    assert rows("docs/api.md", "| Event | Needs | Takes as well |") == wanted


def test_what_a_disposition_needs_is_listed_code_by_code() -> None:
    def names(fields: frozenset[str]) -> str:
        return ", ".join(f"`{name}`" for name in sorted(fields))

    wanted = [
        f"| `{code}` | {names(asked.needs)} | {names(asked.takes)} |"
        for code, asked in disposition_requirements.REQUIREMENTS.items()
    ]
    assert rows("docs/cases.md", "| Code | Needs | Takes as well |") == wanted


def test_the_first_answer_has_every_member() -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", read(ROOT / "README.md"), re.DOTALL)
    assert set(json.loads(shown)) == set(bodies.CheckAnswer.model_fields)


def test_every_kind_of_alert_is_explained() -> None:
    header = "| Kind | Raised when | Not closed in time | Closes by itself |"
    assert sorted(first_cells("docs/api.md", header)) == sorted(alerts.PLANS)


def test_every_deed_of_two_persons_is_explained() -> None:
    runtime = cast(
        "Runtime", SimpleNamespace(settings=None, keys=None)
    )  # asked for when one is done
    header = "| Kind | Asked through | By | Decided by |"
    deeds = app.kinds_of(runtime, Policies())
    assert sorted(first_cells("docs/api.md", header)) == sorted(deeds)


def test_the_facts_rules_may_speak_about_are_listed() -> None:
    policy = documents.compile_document(documents.pack("cn-hub"))
    facts = rules.facts(machine.START, Evidence(), rules.CoarseContext(), policy.parameters)

    def names(value: object, prefix: str) -> Iterator[str]:
        if isinstance(value, dict):
            for name, member in value.items():
                yield from names(member, f"{prefix}.{name}" if prefix else name)
        else:
            yield prefix

    assert first_cells("docs/policy.md", "| Fact | Meaning |") == list(names(facts, ""))


def test_outcomes_are_listed_by_caution_with_what_the_lane_shows() -> None:
    header = "| Outcome | Means | Lane shows at least |"
    shown = [row.rsplit("|", 2)[1].strip(" `") for row in rows("docs/policy.md", header)]
    wanted = [(o, machine.verdict(machine.START, o)) for o in sorted(Outcome)]
    assert first_cells("docs/policy.md", header) == [outcome for outcome, _ in wanted]
    for (outcome, least), said in zip(wanted, shown, strict=True):
        # at the start the state itself says UNKNOWN, which is more cautious than PASS
        assert said == least or (said, least) == ("PASS", "UNKNOWN"), outcome


def test_the_pack_is_explained_rule_by_rule() -> None:
    pack = documents.pack("cn-hub")
    explained = [
        tuple(part.strip(" `") for part in row.split("|")[1:3])
        for row in rows("docs/policy.md", "| Rule | Outcome | Applies when |")
    ]
    assert explained == [(rule["id"], rule["outcome"]) for rule in pack["rules"]]
    header = "| Parameter | In `cn-hub` | Meaning |"
    assert set(first_cells("docs/policy.md", header)) == set(pack["parameters"])


def test_the_metrics_to_watch_exist() -> None:
    there = {
        f"{metric.name}{'_total' if metric.type == 'counter' else ''}"
        for metric in observability.REGISTRY.collect()
    }
    assert set(first_cells("docs/operators.md", "| Metric | Watch |")) == there


def test_the_reason_for_every_dependency_is_written_down() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[<>=]", needed)[0] for needed in project["dependencies"]}
    header = "| Package | For | Released | Kept by | Why, and instead of what |"
    cells = first_cells("docs/decisions/0010-dependencies.md", header)
    assert {name for listed in cells for name in listed.split(", ")} == wanted
