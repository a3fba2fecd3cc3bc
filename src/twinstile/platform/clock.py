"""The one place where time is read.

Time is a fact: the edge reads the clock once and passes the moment down, so that a resend, a
replay and a test see the same instant. Everything is aware UTC.
"""

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)
