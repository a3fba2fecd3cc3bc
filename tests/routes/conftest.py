"""What tests of routes share."""

from collections.abc import Generator

import pytest
import structlog
from refusals import unsaid


@pytest.fixture
def discreet_log(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Generator[None]:
    """Whatever is logged or printed during the test holds nothing of what was sent."""
    with structlog.testing.capture_logs() as lines:
        yield
    out, err = capfd.readouterr()
    unsaid(f"{lines} {caplog.text} {out} {err}")
