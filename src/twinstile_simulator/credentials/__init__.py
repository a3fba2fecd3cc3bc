"""An issuer of certificates and a provider of health codes, neither of whom exists.

They know what each credential they issue is worth, so that what a hub makes of it can be
compared with that.
"""
