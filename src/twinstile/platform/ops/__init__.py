"""Settings, clock, logging and metrics, scheduled jobs, and state machine tables."""
