"""Where the public test vectors lie: beside the project, never in it."""

from pathlib import Path

import pytest

DATA = Path(__file__).parents[3] / "shared" / "data" / "credentials"

needed = pytest.mark.skipif(not DATA.is_dir(), reason=f"no public test vectors at {DATA}")
