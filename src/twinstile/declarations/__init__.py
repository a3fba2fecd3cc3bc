"""Declarations of travellers, the passes that show them at a lane, and appeals."""
