"""The synthetic station day: invented trains, people and tablets against a real service.

Nothing here imports a room of twinstile. The simulator speaks HTTP and files, as any
stranger would, so that what it proves holds for strangers too.
"""
