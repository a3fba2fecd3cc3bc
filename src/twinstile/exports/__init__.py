"""What epidemiologists take away: line lists of cases and counts of a period.

Owns no table. Reads those of other rooms under a role that sees only what is pseudonymous.
"""
