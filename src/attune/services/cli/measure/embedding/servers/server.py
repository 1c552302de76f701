"""A server under load."""

from dataclasses import dataclass

from attune.services.cli.measure.embedding.load.answers import Target

OURS = "attune"


@dataclass(frozen=True)
class Server:
    """A running server: its name in the results, its process, and how it is asked."""

    name: str
    pid: int
    target: Target
