"""The texts that wait for the encoder, in two lanes, and the rule by which they form batches."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from attune.embeddings.items import EmbedItem, EmbedResult

BULK_SHARE = 0.25
"""The share of each batch that bulk texts get while interactive ones wait."""

_CHARACTERS_PER_TOKEN = 4  # English WordPiece averages a little more
_SPECIAL_TOKENS = 2
_CHARACTERS_READ_PER_TOKEN = 512
"""How many characters a worker tokenizes in about the time in which it computes a token (reasoned, not measured)."""
_FEW_TEXTS = 8


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
    """What a text costs, in tokens, from its length alone (ours): about how many it has, special ones included, up to
    `max_tokens`; and what it takes to read the rest of a longer one.
    """
    computed = min(_SPECIAL_TOKENS + -(-len(text) // _CHARACTERS_PER_TOKEN), max_tokens)
    cut_off = max(0, len(text) - _CHARACTERS_PER_TOKEN * max_tokens)
    return computed + cut_off // _CHARACTERS_READ_PER_TOKEN


class Turns:
    """The jobs of one lane: each request's own in their order, and of the requests that wait one job each in turn."""

    def __init__(self) -> None:
        self._requests: deque[deque[Job]] = deque()
        self._long: dict[int, deque[Job]] = {}
        self._count = 0
        self._short_tokens = 0
        self.tokens = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Job]:
        return (job for jobs in self._requests for job in jobs)

    def ahead_of(self, texts: int) -> int:
        """The tokens, at most, that are computed before the last of so many texts if they come now."""
        return self._short_tokens + sum(job.cost for jobs in self._long.values() for job in islice(jobs, texts))

    def add(self, jobs: Sequence[Job]) -> None:
        """Put a request's jobs into the turns."""
        if not jobs:
            return
        waiting, tokens = deque(jobs), sum(job.cost for job in jobs)
        self._requests.append(waiting)
        self._count += len(jobs)
        self.tokens += tokens
        if len(jobs) > _FEW_TEXTS:
            self._long[id(jobs[0].request)] = waiting
        else:
            self._short_tokens += tokens

    def drop(self, request: Request) -> None:
        """Remove what waits of a request."""
        place = next((place for place, jobs in enumerate(self._requests) if jobs[0].request is request), None)
        if place is None:
            return
        jobs = self._requests[place]
        del self._requests[place]
        tokens = sum(job.cost for job in jobs)
        self._count -= len(jobs)
        self.tokens -= tokens
        if self._long.pop(id(request), None) is None:
            self._short_tokens -= tokens

    def next(self) -> Job:
        """The job whose turn it is."""
        return self._requests[0][0]

    def pop(self) -> Job:
        """Remove and return it."""
        jobs = self._requests.popleft()
        job = jobs.popleft()
        self._count -= 1
        self.tokens -= job.cost
        is_long = id(job.request) in self._long
        if not is_long:
            self._short_tokens -= job.cost
        if jobs:
            self._requests.append(jobs)
        elif is_long:
            del self._long[id(job.request)]
        return job


class LaneQueue:
    """Two lanes, measured in estimated tokens; within each, requests take turns, so that a large one delays no other.

    A batch takes interactive texts first; but while bulk texts wait, it leaves them `BULK_SHARE` of its budget, and one
    text at the least. So neither lane starves, whatever the other receives.
    """

    def __init__(self) -> None:
        self._lanes = {lane: Turns() for lane in Lane}

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())

    def tokens(self, lane: Lane) -> int:
        """The tokens that wait in a lane."""
        return self._lanes[lane].tokens

    def ahead_of(self, lane: Lane, texts: int) -> int:
        """Those of them that are computed before the last of so many texts that come now, at most."""
        return self._lanes[lane].ahead_of(texts)

    def extend(self, lane: Lane, jobs: Sequence[Job]) -> None:
        """Put a request's jobs into a lane."""
        self._lanes[lane].add(jobs)

    def drop(self, request: Request) -> None:
        """Remove what waits of a request, for which nobody waits any more."""
        self._lanes[request.lane].drop(request)

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
        self._lanes = {lane: Turns() for lane in Lane}
        return jobs

    def _take_lane(self, lane: Lane, budget: int, live: Callable[[Job], bool]) -> list[Job]:
        taken: list[Job] = []
        waiting = self._lanes[lane]
        # The first text goes whatever it costs: a text larger than a batch must not block its lane.
        while waiting and (not taken or waiting.next().cost <= budget):
            job = waiting.pop()
            if live(job):
                taken.append(job)
                budget -= job.cost
        return taken
