"""The database: connections, transactions, schema, and the embedded PostgreSQL server."""
