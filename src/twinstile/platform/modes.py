"""What a hub is for. Entered with the hub and never changed: the service may not update it."""

from enum import StrEnum


class HubMode(StrEnum):
    """Whether the people who pass a hub are real."""

    PRODUCTION = "PRODUCTION"
    PRACTICE = "PRACTICE"
    """A hub beside a real one, to learn and to drill at: nobody real is entered there."""
    DEMO = "DEMO"
    """The hub of a demo, a test or a first look: takes any document."""
