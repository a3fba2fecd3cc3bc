"""Who is expected: runs (trains, flights, ships) and their manifests.

Owns the words service run, manifest, manifest entry and expectation. Whether an expected person
was screened is known upstairs, in `screening`.
"""
