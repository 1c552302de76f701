"""`attune eval linking`: which entities texts name, judged by gold mentions."""

from attune.services.cli.measure.linking.command import linking

__all__ = ["linking"]
