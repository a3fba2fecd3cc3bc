"""The HTTP edge: limits, request bodies, problem documents, paging, and outgoing calls."""
