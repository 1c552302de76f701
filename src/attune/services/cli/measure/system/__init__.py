"""`attune bench system`: every role a process of its own, under mixed traffic, killed and replaced."""

from attune.services.cli.measure.system.command import system

__all__ = ["system"]
