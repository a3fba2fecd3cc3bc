"""Scenarios of a day: travellers with a script, and what people at the hub decide at noon."""
