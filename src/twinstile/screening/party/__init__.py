"""People who travel together: a family, a class; one of them answers for the minors."""
