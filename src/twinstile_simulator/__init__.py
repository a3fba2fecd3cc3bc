"""The synthetic station day: invented trains, people and tablets against a real service.

The simulator speaks HTTP and files, as any stranger would, so that what it proves holds for
strangers too. It imports no room of twinstile, but for the reader of GTFS timetables.
"""
