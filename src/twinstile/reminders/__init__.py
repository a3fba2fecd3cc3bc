"""Reminders to single people: a message each, through a channel, with what became of it.

Rows are the truth and the worker goes by them: a message is given to its channel after its row
says so, and what the channel said is entered before anything counts on it.
"""
