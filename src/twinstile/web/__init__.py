"""What people look at in a browser: the front page, the reference of the API, its health."""
