"""The one way of what departments send: landed as it came, read, applied, and looked after.

Owns the words feed, delivery and landing. What a transport brought is stored with the place to
go on from in one transaction; everything later can be done again from there.
"""
