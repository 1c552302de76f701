"""`attune eval completion`: how early the next query of real users is completed."""

from attune.services.cli.measure.completion.command import completion

__all__ = ["completion"]
