"""Transports: how the bytes of departments come to us. What they mean is for `formats`.

Each module has a model of its settings with `open()`, and keeps no memory but the cursor. What
a department did wrong is a word: a `FeedFault` where it could not be asked, `Fetched.refused`
where one delivery of it is no good.
"""
