"""Where the public test vectors lie: beside the project, never in it."""

from pathlib import Path

import pytest
import suites

SHARED = suites.shared_data()
DATA = (SHARED or Path()) / "credentials"

needed = pytest.mark.skipif(SHARED is None, reason="no public test vectors on this machine")
