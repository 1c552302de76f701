"""Runs schedules, with the real code or with a guard taken out of it."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from structlog.testing import capture_logs
from tests.simulation.engine import Engine
from tests.simulation.faults import SimulatedStore
from tests.simulation.offline import differences
from tests.simulation.world import World

REMEMBERED_EVENTS = 2
"""Of how many events a record knows copies here: few, so that a guard before de-duplication is missed if it is gone."""


Mutation = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a schedule: what differs, in words (nothing, if all is well), and what happened how often."""

    differences: list[str]
    happened: Counter[str]


@contextmanager
def engine() -> Iterator[Engine]:
    """A store in a file in memory where there is such a place: nothing is to survive, and a disk's syncs are slow."""
    shared = Path("/dev/shm")  # noqa: S108 - a directory of its own is made there
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as directory:
        store = SimulatedStore(Path(directory) / "knowledge.sqlite")
        try:
            yield Engine(store)
        finally:
            store.close()


def run(seeds: Iterable[int], shared: Engine, mutated: Mutation = nullcontext) -> Iterator[tuple[int, Outcome]]:
    """Schedule after schedule, each with its seed."""
    for seed in seeds:
        yield seed, run_one(seed, shared, mutated)


def run_one(
    seed: int, shared: Engine, mutated: Mutation = nullcontext, tell: Callable[[str], None] = lambda _line: None
) -> Outcome:
    """What became of a schedule. `tell` hears what happens in it, line by line."""
    world = World(seed, shared, tell)
    with _patched(shared), capture_logs():
        try:
            with mutated():
                world.run()
            found = differences(world, shared)
        except Exception as error:  # noqa: BLE001 - whatever it is, the schedule has found it
            found = [f"{type(error).__name__}: {error}"]
    return Outcome(found, world.happened)


@contextmanager
def _patched(shared: Engine) -> Iterator[None]:
    """Rules are compiled once, not by each worker anew: that would be most of a schedule's time."""
    with (
        patch("attune.knowledge_store.record.REMEMBERED_EVENTS", REMEMBERED_EVENTS),
        patch("attune.services.ingest.applying.Validation", lambda: shared.validation),
    ):
        yield
