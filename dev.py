#!/usr/bin/env python3
"""Everything a developer runs, with nothing but Python: `python3 dev.py test`.

The first run makes `.venv` from the hash-checked `requirements.lock`, with pip as it is set up
on this machine (its index, proxies and certificates). Later runs see that nothing has changed.
No syntax here is newer than Python 3.7, so that an old interpreter gets to the sentence that
says what is needed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
PROGRAMS = ENVIRONMENT / "bin"
STAMP = ENVIRONMENT / "twinstile.stamp"
INPUTS = ("requirements.lock", "pyproject.toml")
OLDEST = (3, 11)

USAGE = """usage: python3 dev.py COMMAND [arguments passed on]

  setup         make or update .venv; the commands below do this first
  test          the tests, in two processes            (dev.py test tests/policy -k fever)
  slow          the tests left out of that, for others prove the same at less cost
  check         style, types, imports, sizes, schema, API: everything but the tests
  demo          a simulated day at a station           (dev.py demo --help)
  serve         the service                            (dev.py serve --help)
  bench NAME    a benchmark of benchmarks/
  faults        processes killed under load, mutants caught    (dev.py faults --json)
  pictures      every page, also as the colour-blind see it    (dev.py pictures FOLDER)
  states        write docs/state-machines.md from the tables of the machines
  conformance   the verdicts against other people's test vectors
"""

CHECKS = (
    ("style", ["ruff", "check"]),
    ("format", ["ruff", "format", "--check"]),
    ("types", ["basedpyright"]),
    ("imports", ["lint-imports"]),
    ("tree", ["python", "tests/fixtures/tree.py"]),
    ("schema", ["python", "-m", "pytest", "-q", "tests/test_schema_drift.py"]),
    ("api", ["python", "-m", "twinstile", "openapi", "--check", "openapi/v1.json"]),
)


def prepare() -> None:
    """Make `.venv` as the lock says, unless it is so already."""
    wanted = _stamp()
    if STAMP.is_file() and STAMP.read_text() == wanted and _same_python():
        return
    try:
        import ensurepip  # noqa: PLC0415 -- Debian leaves it out
        import venv  # noqa: PLC0415

        ensurepip.version()
    except ImportError:
        sys.exit(
            "This Python cannot make virtual environments. On Debian and Ubuntu:\n"
            f"  apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        )
    print(f"Preparing {ENVIRONMENT} (once, under a minute) ...", flush=True)
    STAMP.unlink(missing_ok=True)
    try:
        if not _same_python():
            shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        venv.create(ENVIRONMENT, with_pip=True)
    except OSError as refused:
        sys.exit(f"{ENVIRONMENT} cannot be made: {refused}")
    # the lock is complete, so pip need not look for dependencies; each file's hash is checked
    _pip("--require-hashes", "--no-deps", "--requirement", "requirements.lock")
    _pip("--no-deps", "--no-build-isolation", "--editable", ".")
    STAMP.write_text(wanted)


def _stamp() -> str:
    digest = hashlib.sha256(f"{sys.version_info[:2]} {ENVIRONMENT}".encode())
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def _same_python() -> bool:
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return (ENVIRONMENT / "lib" / f"python{running}").is_dir() and (
        PROGRAMS / "python"
    ).exists()


def _pip(*arguments: str) -> None:
    code = _run(["python", "-m", "pip", "install", "--quiet", "--no-compile", *arguments])
    if code != 0:
        sys.exit(
            f"pip could not install what twinstile needs (exit code {code}, reason above)."
        )


def _run(command: list[str]) -> int:
    """Run a program of `.venv` in the root folder; after Ctrl-C, which it gets too, we end."""
    interrupts: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    code = subprocess.call([str(PROGRAMS / command[0]), *command[1:]], cwd=str(ROOT))
    signal.signal(signal.SIGINT, before)
    if interrupts:
        sys.exit(130)
    return code


def _become(arguments: list[str]) -> None:
    """Turn into that command: signals and the exit code are its own from here on."""
    sys.stdout.flush()
    python = str(PROGRAMS / "python")
    os.execv(python, [python, *arguments])  # noqa: S606 -- our own interpreter


def setup(_: list[str]) -> None:
    """Say where things are; every command has made them by now."""
    print(f"{ENVIRONMENT} is ready.")


def test(arguments: list[str]) -> None:
    """Run the tests, and say where test vectors of others are looked for."""
    beside = ROOT.parent / "shared" / "data"
    vectors = Path(os.environ.get("TWINSTILE_SHARED_DATA", beside))
    if not vectors.is_dir():
        print(f"No test vectors in {vectors} (TWINSTILE_SHARED_DATA): those tests are skipped.")
    os.chdir(ROOT)
    # the programs that tests start by the dozen are not to be compiled anew each time
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # whole modules to each process, so that what a module sets up is seldom set up twice; not
    # more processes than processors, for tests of a busy service measure waits
    _become(["-m", "pytest", "-n", "2", "--dist", "worksteal", *arguments])


def slow(arguments: list[str]) -> None:
    """Run the tests that are marked as slow."""
    test(["-m", "slow", *arguments])


def check(_: list[str]) -> None:
    """Run every check, even after one has failed."""
    failed: list[str] = []
    for name, command in CHECKS:
        print(f"== {name}", flush=True)
        if _run(command) != 0:
            failed.append(name)
    print(f"checks failed: {', '.join(failed)}" if failed else "all checks passed")
    sys.exit(1 if failed else 0)


def demo(arguments: list[str]) -> None:
    """Run a simulated day."""
    _twinstile("demo", arguments)


def serve(arguments: list[str]) -> None:
    """Run the service; the hub it enters is for trying things out unless told otherwise."""
    os.environ.setdefault("TWINSTILE_PROFILE", "demo")
    _twinstile("serve", arguments)


def _twinstile(command: str, arguments: list[str]) -> None:
    """Keep data beside the source, or where root's database server may go."""
    closed = os.geteuid() == 0 and not all(p.stat().st_mode & 1 for p in (ROOT, *ROOT.parents))
    os.environ.setdefault(
        "TWINSTILE_DATA_DIR", "/var/lib/twinstile" if closed else str(ROOT / ".data")
    )
    _become(["-m", "twinstile", command, *arguments])


def bench(arguments: list[str]) -> None:
    """Run one benchmark."""
    known = sorted(path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py"))
    if not arguments or arguments[0] not in known:
        sys.exit(f"usage: python3 dev.py bench NAME, one of: {', '.join(known) or 'none yet'}")
    os.chdir(ROOT)
    _become([f"benchmarks/{arguments[0]}.py", *arguments[1:]])


def pictures(arguments: list[str]) -> None:
    """Look at every page, and leave what was seen in a folder."""
    folder = Path(arguments[0] if arguments else ROOT / "pictures").absolute()
    os.environ["TWINSTILE_PICTURES"] = str(folder)
    print(f"Pictures go to {folder}.", flush=True)
    os.chdir(ROOT)
    _become(["-m", "pytest", "-n", "2", "-m", "pictures", "tests/web", *arguments[1:]])


def states(_: list[str]) -> None:
    """Write docs/state-machines.md from the tables of the machines."""
    command = [sys.executable, "-m", "twinstile.screening.flowchart"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    (ROOT / "docs/state-machines.md").write_bytes(text)


def conformance(arguments: list[str]) -> None:
    """Compare verdicts with other people's test vectors."""
    os.chdir(ROOT)
    _become(["tests/fixtures/conformance.py", *arguments])


def faults(arguments: list[str]) -> None:
    """Kill the service and its database under load, or drill a restore of millions of rows."""
    os.chdir(ROOT)
    if arguments[:1] == ["restore"]:
        _become(["tests/faults/drills.py", *arguments[1:]])
    _become(["tests/faults/laboratory.py", *arguments])


COMMANDS = {
    "setup": setup,
    "test": test,
    "slow": slow,
    "check": check,
    "demo": demo,
    "serve": serve,
    "bench": bench,
    "pictures": pictures,
    "states": states,
    "conformance": conformance,
    "faults": faults,
}


def main() -> None:
    if sys.version_info[:2] < OLDEST:
        sys.exit(f"twinstile needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
    command = COMMANDS.get(sys.argv[1] if len(sys.argv) > 1 else "")
    if command is None:
        sys.exit(USAGE)
    prepare()
    command(sys.argv[2:])


if __name__ == "__main__":
    main()
