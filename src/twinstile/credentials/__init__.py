"""Health credentials: what was shown, whether it is genuine, and whether it is this person's.

The room owns the words Credential, Assessment, Outcome, Colour and TrustList. A credential's
content lives in the request that brought it: nothing of it, not even a hash, is kept.
"""
