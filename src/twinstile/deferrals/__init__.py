"""People let through before all checks are done, and the surge orders that allow it."""
