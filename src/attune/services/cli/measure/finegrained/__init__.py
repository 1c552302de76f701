"""`attune eval finegrained`: keywords and parts of passages, beside people's queries."""

from attune.services.cli.measure.finegrained.command import finegrained

__all__ = ["finegrained"]
