"""Programs of other releases, laid out in folders of their own.

The later one is made up: today's program with one revision more and a header by which its
answers are known. The earliest one is real: the program of the commit that brought the schema's
floor, the oldest that may serve today's schema. It needs the repository's history.
"""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from twinstile.platform.db import schema

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("src", "migrations")
HEADER = "x-release"
_HEADERS = "_SECURITY_HEADERS = ("
REVISION = '''"""What a later release adds: older programs can live without knowing it."""

from alembic import op

revision = "later"
down_revision = {head!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE screening ADD COLUMN later integer")
'''


class Programs:
    """Today's program and the later one, each laid out in `folder`, and a link to one."""

    def __init__(self, folder: Path) -> None:
        self.now = _today(folder / "now")
        self.later = _later(folder / "later")
        self.installed = folder / "installed"
        self.install(self.now)

    def install(self, program: Path) -> None:
        """Point the link to it, as an operator does."""
        self.installed.unlink(missing_ok=True)
        self.installed.symlink_to(program)


def _today(folder: Path) -> Path:
    for part in PARTS:
        # what is compiled serves there, too, but what is just being written may be gone
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("*.pyc.*"))
    return folder


def _later(folder: Path) -> Path:
    _today(folder)
    observe = folder / "src/twinstile/platform/ops/observability.py"
    text = observe.read_text()
    assert text.count(_HEADERS) == 1
    observe.write_text(text.replace(_HEADERS, f'{_HEADERS}(b"{HEADER}", b"later"), '))
    revision = folder / "migrations/versions/later.py"
    revision.write_text(REVISION.format(head=schema.ours().head))
    return folder


def earliest(folder: Path, floor: str) -> Path | None:
    """The program of the commit that added revision `floor`; None without a history."""
    pattern = f"migrations/versions/{floor}_*.py"
    found = _git("log", "--diff-filter=A", "--format=%H", "--", pattern)
    if not found:
        return None
    archive = _git("archive", "--format=tar", found.split()[-1].decode(), *PARTS)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def _git(*arguments: str) -> bytes:
    if not (ROOT / ".git").exists():
        return b""
    ran = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    return ran.stdout if ran.returncode == 0 else b""


def path(folder: Path) -> dict[str, str]:
    """The variable that lets Python run that program."""
    return {"PYTHONPATH": str(folder / "src")}
