"""HTTP routes of the screening core."""
