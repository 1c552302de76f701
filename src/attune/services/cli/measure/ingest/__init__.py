"""`attune bench ingest`: events from the log to the store, how many, how soon, and whatever they look like."""

from attune.services.cli.measure.ingest.command import ingest

__all__ = ["ingest"]
