"""`attune bench suggestion`: what looking up among a million queries costs."""

from attune.services.cli.measure.suggestion_speed.command import suggestion

__all__ = ["suggestion"]
