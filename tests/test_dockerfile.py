"""The obvious about the image, which cannot be built everywhere the tests run."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its arguments, continued lines joined, comments left out."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.partition(" ")[2]) for line in lines if line.strip()]


def arguments(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


def test_every_file_from_an_index_has_its_hash_checked() -> None:
    installs = [
        command
        for run in arguments("RUN")
        for command in run.split("&&")
        if "pip install" in command and "/wheels/" not in command
    ]
    assert len(installs) == 2
    assert all("--require-hashes" in command for command in installs)
    assert "requirements-run.lock" in installs[0]


def test_the_service_does_not_run_as_root() -> None:
    last_stage = instructions()[[name for name, _ in instructions()].index("FROM", 1) :]
    assert [rest for name, rest in last_stage if name == "USER"] == ["twinstile"]
    names = [name for name, _ in last_stage]
    assert names.index("USER") < names.index("VOLUME") < names.index("ENTRYPOINT")


def test_the_image_is_debian_and_tells_whether_it_lives() -> None:
    assert all(image.startswith("python:3.13-slim") for image in arguments("FROM"))
    assert "/livez" in arguments("HEALTHCHECK")[0]
    assert arguments("ENTRYPOINT") == ['["twinstile"]']
    assert arguments("CMD") == ['["serve"]']


def test_copied_files_exist() -> None:
    for copied in arguments("COPY"):
        if not copied.startswith("--from"):
            assert all((ROOT / name).exists() for name in copied.split()[:-1])
