"""Whose signatures a hub believes: lists as they come, are agreed on, signed and in force."""
