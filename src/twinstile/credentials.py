"""Health credentials: for now the officer's reading of one, in the words every scheme maps to.

None of NOT_FOUND, UNAVAILABLE, NOT_PRESENTED, STALE and PENDING alone denies passage (State
Council plan 45/2020: a health code is never the sole proof), and none of them is ever green.
"""

from enum import StrEnum


class CredentialStatus(StrEnum):
    """What is known of a credential's holder, whatever scheme it comes from."""

    GREEN = "GREEN"
    YELLOW = "YELLOW"
    RED = "RED"
    UNDER_REVIEW = "UNDER_REVIEW"
    EXPIRED = "EXPIRED"
    NOT_FOUND = "NOT_FOUND"  # the provider answered that it knows none
    INVALID = "INVALID"
    UNAVAILABLE = "UNAVAILABLE"  # the provider did not answer
    NOT_PRESENTED = "NOT_PRESENTED"  # the traveller has none
    STALE = "STALE"  # the answer is older than it may be
    PENDING = "PENDING"  # the provider was asked and has not answered yet


class CredentialKind(StrEnum):
    """What was shown."""

    HEALTH_CODE = "HEALTH_CODE"
    CERTIFICATE = "CERTIFICATE"
    DECLARATION = "DECLARATION"
    PROXY_LOOKUP = "PROXY_LOOKUP"
    PAPER = "PAPER"
