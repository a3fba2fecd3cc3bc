"""What every room stands on: database, HTTP edge, access control, keys, ledger, operation."""
