"""Declarations that staff key for somebody without a phone, find again, and answer for."""
