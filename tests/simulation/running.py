"""Runs schedules, and repeats one that differs to tell what happened in it."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import structlog
from structlog.testing import capture_logs

from tests.simulation.faults import SimulatedStore
from tests.simulation.offline import differences
from tests.simulation.world import Engine, World

REMEMBERED_EVENTS = 4
"""Of how many events a record knows copies here: few, so that a guard before de-duplication is missed if it is gone."""


@dataclass(slots=True)
class Outcome:
    """What became of schedules."""

    schedules: int = 0
    differing: dict[int, list[str]] = field(default_factory=dict)
    """What differed, by seed."""
    happened: Counter[str] = field(default_factory=Counter)


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


def run(seeds: Iterable[int], shared: Engine, mutated: Callable[[], object] | None = None) -> Outcome:
    ...


@contextmanager
def _patched(shared: Engine) -> Iterator[None]:
    """Rules are compiled once, not by each worker anew: that would be most of a schedule's time."""
    with (
        patch("attune.knowledge_store.record.REMEMBERED_EVENTS", REMEMBERED_EVENTS),
        patch("attune.services.ingest.applying.Validation", lambda: shared.validation),
    ):
        yield


def run_one(seed: int, shared: Engine, tell: Callable[[str], None] = lambda _line: None) -> tuple[list[str], Counter[str]]:
    """What differed at the end of a schedule, and what happened in it."""
    world = World(seed, shared, tell)
    with _patched(shared), capture_logs():
        try:
            world.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the schedule has found it
            return [f"{type(error).__name__}: {error}"], world.happened
        return differences(world, shared), world.happened
