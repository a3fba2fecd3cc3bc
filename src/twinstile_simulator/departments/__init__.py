"""Three departments that do not exist: a railway, the police, and health.

Each speaks as real ones do, over files and HTTP, with their faults: lists that come twice, late
or corrected, rows nobody can read, and a server that is away for a while. Each knows what it
has sent, so that what has arrived can be compared with it.
"""
