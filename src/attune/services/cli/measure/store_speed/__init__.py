"""`attune bench store`: what a knowledge store costs, from a few users to a million."""

from attune.services.cli.measure.store_speed.command import store

__all__ = ["store"]
