"""Who may do what: devices, operators, shifts, roles, approvals by two persons, access log."""
