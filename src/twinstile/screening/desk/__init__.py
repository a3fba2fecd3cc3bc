"""What the desk does about one person: find their passage by the document they show.

Every answer here says something of somebody, so every request says what for and leaves a row in
the access log.
"""
