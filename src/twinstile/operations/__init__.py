"""What an operator does to an installation: start, back up, restore, retain, decommission."""
