"""Declarations of travellers: how they are kept, found again at a check, and disputed."""
