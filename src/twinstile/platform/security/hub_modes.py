"""What a hub is for. Entered with the hub and never changed: the service may not update it."""

from enum import StrEnum


class HubMode(StrEnum):
    """Whether the people who pass a hub are real."""

    PRODUCTION = "PRODUCTION"
    DEMO = "DEMO"
    """The hub of a demo, a test or a training: takes any document."""
