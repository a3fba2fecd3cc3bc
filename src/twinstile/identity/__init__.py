"""Who stands at the lane: documents read, names kept apart, one random id for all others.

The room owns the words Document, Holder, Finding, IdentityResult and PersonId. It reads what
a reader, a zone or an officer supplies, says softly what is wrong with it, and keeps names
and numbers in the identity vault. Every other room knows a person by PersonId alone.
"""
