"""Codes on pictures, for stations without scanners."""
