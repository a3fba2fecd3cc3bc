"""Contacts of a case: who sat near, travelled with, or passed a gate beside the patient."""
