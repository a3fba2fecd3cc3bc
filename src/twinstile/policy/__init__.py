"""Versioned rules as data: what a hub decides by, and the language the rules are written in."""
