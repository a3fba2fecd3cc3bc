"""Ways of patients to receivers, over HTTP: legs, links and signed receipts."""
