"""`attune bench fuzz`: mutated requests to all RPCs of a running system."""

from attune.services.cli.measure.fuzz.command import fuzz

__all__ = ["fuzz"]
