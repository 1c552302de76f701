"""`attune eval finegrained`: keywords and parts of passages, beside people's queries; and what that costs in time."""

from attune.services.cli.measure.finegrained.command import finegrained
from attune.services.cli.measure.finegrained.latency import augmentation

__all__ = ["augmentation", "finegrained"]
