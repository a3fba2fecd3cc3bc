"""Services that are asked about a health code: a profile tells each one's way of talking.

A profile is data: what is sent, how it is signed, where the answer has what, and an explicit
map of its values. A value that the map does not have is not known, whatever it looks like.
"""
