"""What leaves the house: partner departments, what each may see, and the feed of changes.

Words owned here: partner, grant, change, cursor, pseudonym, disclosure.
"""
