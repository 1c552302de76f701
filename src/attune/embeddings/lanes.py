"""The texts that wait for the encoder, in two lanes, and the rule by which they form batches."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from attune.embeddings.items import EmbedItem, EmbedResult

BULK_SHARE = 0.25
"""The share of each batch that bulk texts get while interactive ones wait."""

_CHARACTERS_PER_TOKEN = 4  # English WordPiece averages a little more
_SPECIAL_TOKENS = 2


class Lane(StrEnum):
    """Who waits: a person for an answer, or a job for throughput."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


@dataclass(eq=False)
class Request:
    """Texts that were submitted together, and what has become of them. Times are in seconds of the engine's clock."""

    lane: Lane
    deadline: float | None
    enqueued_at: float
    done: asyncio.Future[None]
    results: list[EmbedResult | None]
    queue_ms: float = 0.0
    tokenize_ms: float = 0.0
    compute_ms: float = 0.0
    remaining: int = field(init=False)

    def __post_init__(self) -> None:
        self.remaining = len(self.results)


@dataclass(frozen=True, eq=False)
class Job:
    """One text of a request: the unit that batches are made of, so that a large request cannot hold up the others."""

    request: Request
    index: int
    item: EmbedItem
    cost: int


def estimate_tokens(text: str, max_tokens: int) -> int:
    """About how many tokens a text is, from its length alone, special tokens included (ours)."""
    return min(_SPECIAL_TOKENS + -(-len(text) // _CHARACTERS_PER_TOKEN), max_tokens)


class LaneQueue:
    """Two first-in-first-out lanes, measured in estimated tokens.

    A batch takes interactive texts first; but while bulk texts wait, it leaves them `BULK_SHARE` of its budget, and one
    text at the least. So neither lane starves, whatever the other receives.
    """

    def __init__(self) -> None:
        self._lanes: dict[Lane, deque[Job]] = {lane: deque() for lane in Lane}
        self._tokens = dict.fromkeys(Lane, 0)

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())

    def tokens(self, lane: Lane) -> int:
        """The tokens that wait in a lane."""
        return self._tokens[lane]

    def extend(self, lane: Lane, jobs: Sequence[Job]) -> None:
        """Put jobs at the end of a lane."""
        self._lanes[lane].extend(jobs)
        self._tokens[lane] += sum(job.cost for job in jobs)

    def take(self, budget: int, live: Callable[[Job], bool]) -> list[Job]:
        """Remove and return the next batch of about `budget` tokens, without the jobs that are no longer `live`.

        It is empty only when no live job is left.
        """
        reserved = int(budget * BULK_SHARE) if self._lanes[Lane.BULK] else 0
        batch = self._take_lane(Lane.INTERACTIVE, budget - reserved, live)
        left = budget - sum(job.cost for job in batch)
        return batch + self._take_lane(Lane.BULK, left, live)

    def drain(self) -> list[Job]:
        """Remove and return all jobs."""
        jobs = [job for lane in self._lanes.values() for job in lane]
        for lane in self._lanes.values():
            lane.clear()
        self._tokens = dict.fromkeys(Lane, 0)
        return jobs

    def _take_lane(self, lane: Lane, budget: int, live: Callable[[Job], bool]) -> list[Job]:
        taken: list[Job] = []
        waiting = self._lanes[lane]
        # The first text goes whatever it costs: a text larger than a batch must not block its lane.
        while waiting and (not taken or waiting[0].cost <= budget):
            job = waiting.popleft()
            self._tokens[lane] -= job.cost
            if live(job):
                taken.append(job)
                budget -= job.cost
        return taken
