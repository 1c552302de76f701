"""Calls of a store, timed one by one."""

import time
from collections.abc import Sequence
from functools import partial
from random import Random

from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.retrieval import Mode, retrieve
from attune.knowledge_store.store_rows import RowStore
from attune.services.cli.measure.report import Row
from attune.services.cli.measure.store_speed.population import NOW, TENANT, Population
from attune.services.cli.measure.times import Times

_LIMIT = 50
_BATCH = 256


def read_times(
    store: RowStore, graph: CatalogGraph, population: Population, numbers: Sequence[int], random: Random
) -> dict[str, float]:
    """Of users in that order: reading and decoding one, and RetrieveEntities' whole work on it in every mode."""
    reading, retrieving = Times(), Times()
    companions = partial(store.companions, TENANT)
    for number in numbers:
        user = population.user(number)
        reading.of(lambda user=user: store.view(user).states)  # type: ignore[misc]
        context = population.context(list(store.view(user).states), random)
        retrieving.of(
            lambda user=user, context=context: retrieve(  # type: ignore[misc]
                store.view(user).states, graph, context, NOW, tuple(Mode), _LIMIT, companions
            )
        )
    return _row("read", reading) | _row("retrieve", retrieving)


def write_speed(store: RowStore, population: Population, users: int, batches: int, random: Random) -> Row:
    """Events a second, in batches as a consumer reads them, each of users drawn at random."""
    drawn = [[random.randrange(users) for _ in range(_BATCH)] for _ in range(batches)]
    events = [population.events(numbers, random) for numbers in drawn]
    started = time.perf_counter()
    for batch in events:
        store.apply(batch)
    return {"events_per_s": batches * _BATCH / (time.perf_counter() - started)}


def _row(name: str, times: Times) -> dict[str, float]:
    """Median, 99th percentile and largest."""
    names = (f"{name}_p50_ms", f"{name}_p99_ms", f"{name}_max_ms")
    return dict(zip(names, times.percentiles(50, 99, 100), strict=True))
