"""Fever cases: from confirmed abnormal evidence to a closure that somebody answers for.

Owns the words case, disposition, receiver, referral, transfer, follow-up, closure. Rechecking
belongs to the screening; a case opens when there is something to assess, and never by timer.
"""
