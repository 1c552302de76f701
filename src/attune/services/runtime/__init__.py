"""What every service stands on: configuration, server, credentials, errors, metrics, clock, event log."""
