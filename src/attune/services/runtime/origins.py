"""Who is behind an event: a person, or a program that plays one. Nothing that people use learns from programs."""

from attune.events.v1.events_pb2 import InteractionEvent

ORIGIN = "origin"
"""The attribute that says so; without it, a person."""
SIMULATED = "simulated"


def is_simulated(event: InteractionEvent) -> bool:
    """Whether a program played the user."""
    return ORIGIN in event.attributes and event.attributes[ORIGIN] == SIMULATED
