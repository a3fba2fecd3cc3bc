"""The script that developers run: what it passes on, what it says, when it sets up again."""

import os
import runpy
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FAKE_PYTHON = '#!/bin/sh\necho "ran: $*"\n[ "$TWINSTILE_TEST_WAIT" ] && sleep 20\nexit 7\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose environment is ready, with an interpreter that repeats its arguments."""
    for name in ("dev.py", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "intake.py").write_text("")
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (tmp_path / ".venv" / "lib" / f"python3.{sys.version_info[1]}").mkdir(parents=True)
    for name in ("python", "ruff", "basedpyright", "lint-imports"):
        (programs / name).write_text(FAKE_PYTHON)
        (programs / name).chmod(0o755)
    (tmp_path / ".venv" / "twinstile.stamp").write_text(stamp(tmp_path))
    return tmp_path


def stamp(checkout: Path) -> str:
    return runpy.run_path(str(checkout / "dev.py"))["_stamp"]()


def run(checkout: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "dev.py", *arguments],
        cwd=checkout,
        env={**os.environ, "TWINSTILE_SHARED_DATA": str(checkout / "vectors")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "passed_on"),
    [
        (
            ["test", "tests/policy", "-k", "x"],
            "-m pytest -n 2 --dist worksteal tests/policy -k x",
        ),
        (["slow"], "-m pytest -n 2 --dist worksteal -m slow"),
        (["serve", "--port", "80"], "-m twinstile serve --port 80"),
        (["demo", "--json"], "-m twinstile demo --json"),
        (["bench", "intake", "--fast"], "benchmarks/intake.py --fast"),
        (["pictures"], "-m pytest -n 2 -m pictures tests/web"),
        (["conformance"], "tests/fixtures/conformance.py"),
        (["faults", "--json"], "tests/faults/laboratory.py --json"),
    ],
)
def test_arguments_and_exit_codes_are_passed_on(
    checkout: Path, arguments: list[str], passed_on: str
) -> None:
    ran = run(checkout, *arguments)
    assert ran.stdout.splitlines()[-1] == f"ran: {passed_on}"
    assert ran.returncode == 7


def test_every_check_runs_and_the_failed_ones_are_named(checkout: Path) -> None:
    ran = run(checkout, "check")
    assert ran.stdout.count("ran: ") == 7
    assert ran.stdout.splitlines()[-1] == (
        "checks failed: style, format, types, imports, tree, schema, api"
    )
    assert ran.returncode == 1


def test_tests_say_where_missing_vectors_are_looked_for(checkout: Path) -> None:
    assert f"No test vectors in {checkout / 'vectors'}" in run(checkout, "test").stdout


def test_programs_that_tests_start_are_compiled_once(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    python = checkout / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\necho "not kept: ${PYTHONDONTWRITEBYTECODE:-nothing}"\n')
    assert "not kept: nothing" in run(checkout, "test").stdout


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_only_a_changed_lock_or_project_makes_the_environment_again(
    checkout: Path, name: str
) -> None:
    made = stamp(checkout)
    assert "Preparing" not in run(checkout, "setup").stdout
    with (checkout / name).open("a") as file:
        file.write("# changed\n")
    assert stamp(checkout) != made


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["bench"], ["bench", "unknown"]])
def test_what_is_not_known_is_answered_by_the_usage(
    checkout: Path, arguments: list[str]
) -> None:
    ran = run(checkout, *arguments)
    assert ran.returncode == 1
    assert "usage: python3 dev.py" in ran.stderr


def test_ctrl_c_ends_the_check_quietly(checkout: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "dev.py", "check"],
        cwd=checkout,
        env={**os.environ, "TWINSTILE_TEST_WAIT": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as checking:
        assert checking.stdout is not None
        while "ran: " not in checking.stdout.readline():
            pass
        os.killpg(checking.pid, signal.SIGINT)
        _, errors = checking.communicate(timeout=30)
    assert (checking.returncode, errors) == (130, "")
