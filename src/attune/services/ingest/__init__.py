"""The ingest worker: from the event log to the knowledge store, effectively once."""
