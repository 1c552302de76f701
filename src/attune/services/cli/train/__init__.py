"""`attune train`: what learns from your own texts."""

from attune.services.cli.train.augmenter import augmenter
from attune.services.cli.train.expert import expert
from attune.services.cli.train.ranker import ranker

__all__ = ["augmenter", "expert", "ranker"]
