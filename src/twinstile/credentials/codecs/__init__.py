"""Readers of credentials: text in, content or `Refused` out, bounded, without line or clock."""
