"""The ground floor: database, events, errors, identity of callers, keys, clock and measurement.

Owns the words hub, lane, device, enrolment, operator, shift, event, problem. Knows nothing of
travellers: every room above stands on it and it imports none of them.
"""
