"""The screening of one traveller's passage: two reminders, two verifications, two services.

Owns the words check, screening, verdict, outcome, reminder, service, completeness. A check is
one immutable fact; a screening is the fold of its checks and events through the machine in
`machine`. What policy concludes is decided here, what becomes of a fever case in `cases`.
"""
