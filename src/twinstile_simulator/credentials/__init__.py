"""Issuers of certificates and providers of health codes, none of whom exists.

They know what each code they give away is worth, so that what a hub makes of it can be compared
with that. Nothing of the service's readers is used: what is written here is read there.
"""
