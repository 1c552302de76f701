"""Logs of what users did: files in whatever form, and the event log."""
