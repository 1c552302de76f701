"""What a seed decides about a schedule before it begins."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Self

from attune.services.runtime.consuming.backlog import BatchLimits


@dataclass(frozen=True, slots=True)
class Schedule:
    """The conditions under which a schedule's actions are drawn. Shares are between 0 and 1."""

    partitions: int
    actions: int
    limits: BatchLimits
    log_erases: bool
    """Whether the log can redact where it is not compacted."""
    log_ahead: timedelta
    """How far the log's clock is ahead of that of the services."""
    kills: float
    """Of the places that a process comes to, at how many it dies."""
    stalls: float
    """At how many it sleeps, while others go on."""
    failing_commits: float

    @classmethod
    def drawn(cls, random: Random) -> Self:
        """Half of the schedules have a log that redacts and one clock for all, as on one machine; half are as with
        Kafka, whose brokers have clocks of their own.
        """
        erases = random.random() < 0.5
        ahead = 0 if erases or random.random() < 0.5 else random.randint(1, 60_000)
        return cls(
            partitions=random.randint(1, 4),
            actions=random.randint(20, 60),
            limits=BatchLimits(random.randint(1, 12), random.choice((500, 1 << 20)), random.choice((0.0, 0.3, 1.0))),
            log_erases=erases,
            log_ahead=timedelta(milliseconds=ahead),
            kills=random.choice((0.0, 0.003, 0.01)),
            stalls=random.choice((0.0, 0.01, 0.03)),
            failing_commits=random.choice((0.0, 0.3)),
        )

    @property
    def clocks_agree(self) -> bool:
        """Whether the log and the services have one clock. Choices about learning are compared with the log's times, so
        that users make none where they differ.
        """
        return not self.log_ahead
