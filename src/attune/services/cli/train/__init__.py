"""`attune train`: what learns from your own texts."""

from attune.services.cli.train.augmenter import augmenter
from attune.services.cli.train.expert import expert

__all__ = ["augmenter", "expert"]
