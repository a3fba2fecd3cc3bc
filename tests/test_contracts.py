"""The import contracts hold, and each of them notices the breach it is there for."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINT = Path(sys.executable).with_name("lint-imports")

BREACHES = [
    ("imports only go down", "policy/types.py", "from twinstile.screening import types"),
    ("imports only go down", "platform/ops/clock.py", "import twinstile.app"),
    (
        "no module of the platform waits for its siblings in a circle",
        "platform/ops/clock.py",
        "from . import settings, jobs",
    ),
    ("imports only go down", "arrivals/api.py", "from twinstile import credentials"),
    ("imports only go down", "lounge/__init__.py", ""),
    (
        "the simulator speaks HTTP and files",
        "../twinstile_simulator/truth.py",
        "from twinstile.identity import mrz",
    ),
    (
        "the simulator speaks HTTP and files",
        "../twinstile_simulator/truth.py",
        "from twinstile.platform.ops import clock",
    ),
    ("no module waits for its siblings in a circle", "identity/types.py", "from . import mrz"),
    ("types, rules and state machines are pure", "screening/rules.py", "import fastapi"),
    ("types, rules and state machines are pure", "cases/types.py", "import sqlalchemy"),
    ("types, rules and state machines are pure", "cases/types.py", "from . import tables"),
    ("types, rules and state machines are pure", "cases/machine.py", "import asyncio"),
    ("the web stays at the edge", "cases/tables.py", "from fastapi import Request"),
    ("only adapters call out", "screening/checks.py", "import httpx2"),
    ("only adapters call out", "arrivals/manifests.py", "import asyncssh"),
    (
        "the tables of policy are its own",
        "screening/rules.py",
        "import twinstile.policy.tables",
    ),
    (
        "the tables of identity are its own",
        "exports/rows.py",
        "import twinstile.identity.tables",
    ),
    (
        "the tables of arrivals are its own",
        "cases/types.py",
        "import twinstile.arrivals.tables",
    ),
    (
        "the tables of credentials are its own",
        "screening/lanes.py",
        "import twinstile.credentials.tables",
    ),
    (
        "the tables of cases are its own",
        "screening/api/checks.py",
        "import twinstile.cases.tables",
    ),
    (
        "the tables of screening are its own",
        "web/desk.py",
        "import twinstile.screening.tables",
    ),
    ("the tables of sharing are its own", "exports/rows.py", "import twinstile.sharing.tables"),
]


def contracts() -> list[dict[str, object]]:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return configuration["tool"]["importlinter"]["contracts"]


def broken_in(source: Path) -> set[str]:
    """The names of the contracts that a copy of the source breaks."""
    ran = subprocess.run(
        [LINT, ROOT / "pyproject.toml", "--no-cache", "--no-logo"],
        cwd=source,
        env={**os.environ, "PYTHONPATH": str(source), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Contracts: " in ran.stdout, ran.stdout + ran.stderr
    broken = set(re.findall(r"^(.*?) BROKEN", ran.stdout, re.MULTILINE))
    assert (ran.returncode == 0) == (not broken)
    return broken


@pytest.fixture
def source(tmp_path: Path) -> Path:
    shutil.copytree(
        ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path / "src"


def test_the_source_keeps_every_contract(source: Path) -> None:
    assert broken_in(source) == set()


@pytest.mark.parametrize(("contract", "module", "line"), BREACHES)
def test_a_breach_is_noticed(source: Path, contract: str, module: str, line: str) -> None:
    planted = source / "twinstile" / module
    planted.parent.mkdir(exist_ok=True)
    before = planted.read_text() if planted.exists() else '"""Planted."""\n'
    planted.write_text(f"{before}\n{line}\n")
    assert contract in broken_in(source)


def test_every_contract_is_broken_once_here() -> None:
    assert {str(contract["name"]) for contract in contracts()} == {
        name for name, *_ in BREACHES
    }


def test_the_tables_of_every_room_are_protected() -> None:
    protected = {
        module for entry in contracts() for module in entry.get("protected_modules", ())
    }
    rooms = {path.parent.name for path in (ROOT / "src/twinstile").glob("*/tables.py")}
    assert {f"twinstile.{room}.tables" for room in rooms - {"platform"}} <= protected
