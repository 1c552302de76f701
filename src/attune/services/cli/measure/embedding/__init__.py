"""`attune bench embedding`: our embedding service against others, on one machine, in one run."""

from attune.services.cli.measure.embedding.command import embedding

__all__ = ["embedding"]
