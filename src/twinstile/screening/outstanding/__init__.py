"""Who of a run has not come yet."""
