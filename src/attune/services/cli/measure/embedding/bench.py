"""A run: what takes part in it, and its steps in order."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Protocol, TypeVar

from attune.services.cli.measure.embedding.load.closed_loop import Slice, closed_loop
from attune.services.cli.measure.embedding.local.client import Local
from attune.services.cli.measure.embedding.observation import Observation
from attune.services.cli.measure.embedding.plan import Load, Plan
from attune.services.cli.measure.embedding.servers.server import OURS, Server

_T = TypeVar("_T")
_TEXTS_PER_S = {Load.Q8: 4000, Load.P128: 400, Load.ZIPF: 800}
"""Texts made for each second of a slice; a server that computes more on a few cores than that sees some again."""


@dataclass
class Bench:
    """What every section measures with."""

    plan: Plan
    servers: Sequence[Server]
    """Ours first."""
    local: Local
    runner: asyncio.Runner
    precision_reason: str
    """What our server computes in, and why, in words."""
    observations: list[Observation] = field(default_factory=list)
    """All that was seen so far."""

    @property
    def ours(self) -> Server:
        """Our server."""
        return next(each for each in self.servers if each.name == OURS)

    @property
    def peers(self) -> list[Server]:
        """The other servers."""
        return [each for each in self.servers if each.name != OURS]

    def in_turn(self, number: int) -> list[Server]:
        """The servers, another one first in each round, so that none profits from its place."""
        first = number % len(self.servers)
        return [*self.servers[first:], *self.servers[:first]]

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run the load generator. Ctrl-C ends it."""
        return self.runner.run(coroutine)

    def texts(self, load: Load, seconds: float, seed: int) -> list[str]:
        """Distinct texts for a slice of so many seconds; the same for the same seed, whoever gets them."""
        return self.local.texts(load, int(_TEXTS_PER_S[load] * (seconds + 1)), seed)

    def closed_loop(
        self, server: Server, texts: Sequence[str], concurrency: int, seconds: float, texts_per_request: int = 1
    ) -> Slice:
        """One slice of closed-loop load; the requests are made before it begins."""
        groups = [texts[at : at + texts_per_request] for at in range(0, len(texts), texts_per_request)]
        requests: Iterator[bytes] = cycle([server.target.request(group) for group in groups])

        async def measured() -> Slice:
            async with server.target.connect() as send:
                return await closed_loop(server.name, send, requests, concurrency, seconds)

        return self.run(measured())


@dataclass(frozen=True)
class Step:
    """Something to measure: in each round, or once after the last."""

    label: str
    measure: Callable[[int], Iterable[Observation]]
    """Takes the round's number."""
    once: bool = False


class Section(Protocol):
    """A part of the run: its steps, and its figures in the summary."""

    def steps(self, bench: Bench) -> Sequence[Step]:
        """What it measures; nothing where the plan leaves it out."""
        ...

    def summary(self, bench: Bench) -> Mapping[str, float]:
        """Its figures, from the bench's observations."""
        ...


def run_sections(bench: Bench, sections: Sequence[Section], track: Callable[[Sequence[Step]], Iterable[Step]]) -> None:
    """Measure everything, round after round, into the bench's observations. `track` shows the progress."""
    steps = [step for section in sections for step in section.steps(bench)]
    each_round = [step for step in steps if not step.once]
    order = [(number, step) for number in range(bench.plan.rounds) for step in each_round]
    order += [(0, step) for step in steps if step.once]
    for (number, _), step in zip(order, track([step for _, step in order]), strict=True):
        bench.observations.extend(step.measure(number))
