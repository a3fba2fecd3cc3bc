"""Rooms of the hub, receivers outside, and patients in rooms, over HTTP."""
