"""What many users asked: counted offline from the event log, kept in a file, looked up to suggest queries."""
