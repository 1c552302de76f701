"""`attune bench store`: what a knowledge store costs, from a few users to a million."""

from attune.services.cli.measure.store.command import store

__all__ = ["store"]
