"""`attune bench search`: an index of made-up documents, up to millions: filling it, searching it, what it misses."""

from attune.services.cli.measure.search_speed.command import search

__all__ = ["search"]
