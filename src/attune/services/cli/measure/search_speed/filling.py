"""An index is filled, its graph is built, and it is searched: in a process of its own, whose memory is its own."""

import json
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from attune.services.cli.measure.memory import held_mib, watched
from attune.services.cli.measure.report import Row
from attune.services.cli.measure.search_speed.exact import Exact
from attune.services.cli.measure.search_speed.material import Material, Vectors, year_of
from attune.services.cli.measure.times import Times
from attune.services.runtime.call import DEFAULT_TENANT
from attune.services.runtime.config import ConfigError
from attune.services.search.index.edge_shelf import open_edge_index
from attune.services.search.index.fields import DeclaredFields
from attune.services.search.index.generational import GenerationalIndex
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.narrowing import EVERYTHING, EqualsAny, Within
from attune.services.search.index.port import Document, Index, IndexedDocument
from attune.services.search.index.settings import IndexSettings

NEAREST = 10
FIELDS = "year:number"
_CANDIDATES = 100
_TOGETHER = 8
_ONE_YEAR = Within(filter=EqualsAny("year", (1.0,)))
_STATUS = Path("/proc/self/status")
_A_DAY_S = 86_400.0
_LOOK_EVERY_S = 0.25


@dataclass(frozen=True)
class Plan:
    """What is measured."""

    directory: Path
    """Of the index."""
    identity: IndexIdentity
    sizes: Sequence[int]
    queries: int
    settings: IndexSettings


def measure(plan: Plan, material: Material, tell: Callable[[int], None]) -> Iterator[list[Row]]:
    """Rows of each size, the index being closed; `tell` hears how many documents there are. What an earlier run has
    left there is not written again.
    """
    texts, vectors = material.queries(plan.queries)
    everything, one_year = Exact(vectors, NEAREST), Exact(vectors, NEAREST)
    done = 0
    for size in plan.sizes:
        times: dict[str, float] = {"written": 0.0, "making_s": 0.0, "writing_s": 0.0}
        index = _open(plan)
        there = index.count(DEFAULT_TENANT)
        with watched(lambda: held_mib(os.getpid()), _LOOK_EVERY_S) as held:
            for documents, made in _timed(material, done, size, times):
                _take(everything, one_year, documents, made)
                done += len(documents)
                if done > there:
                    started = time.perf_counter()
                    index.upsert(DEFAULT_TENANT, [IndexedDocument.of(each) for each in documents], made)
                    times["writing_s"] += time.perf_counter() - started
                    times["written"] += len(documents)
                tell(done)
            index.flush()
            started = time.perf_counter()
            index.settle(_A_DAY_S)
            times["graph_s"] = time.perf_counter() - started
        times["held_gib"] = max(held, default=0.0) / 1024
        index.close()
        started = time.perf_counter()
        index = _open(plan)
        times["opening_s"] = time.perf_counter() - started
        rows = [_filled(plan, size, times), *_searched(index, size, texts, vectors, everything, one_year)]
        index.close()
        yield rows


def _open(plan: Plan) -> GenerationalIndex:
    """Without what it keeps in memory of what it read: the same is read time and again here."""
    settings = replace(plan.settings, kept_bytes=0)
    return open_edge_index(plan.directory, plan.identity, DeclaredFields.parse(FIELDS), settings)


def _timed(
    material: Material, start: int, end: int, times: dict[str, float]
) -> Iterator[tuple[list[Document], Vectors]]:
    chunks = material.chunks(start, end)
    while True:
        started = time.perf_counter()
        chunk = next(chunks, None)
        times["making_s"] += time.perf_counter() - started
        if chunk is None:
            return
        yield chunk


def _take(everything: Exact, one_year: Exact, documents: Sequence[Document], made: Vectors) -> None:
    numbers = np.array([int(each.id) for each in documents])
    everything.take(numbers, made)
    wanted = np.array([year_of(number) == 1 for number in numbers])
    one_year.take(numbers[wanted], made[wanted])


def _filled(plan: Plan, size: int, times: dict[str, float]) -> Row:
    """With the most memory that was held by this process and the one that built the graph, together; and by each, with
    the files that they have mapped, which the kernel may drop. Kept for later runs.
    """
    notes = plan.directory.with_name(f"filled-{size}.json")
    if not times["written"]:
        return _noted(notes)
    stored = sum(each.stat().st_size for each in plan.directory.rglob("*") if each.is_file())
    filled: Row = {
        "documents": size,
        "documents_per_s": times["written"] / times["writing_s"],
        **times,
        "peak_gib": peak_gib(),
        "graph_peak_gib": _children_gib(),
        "disk_gib": stored / 2**30,
    }
    notes.write_text(json.dumps(filled), encoding="utf-8")
    return filled


def _nothing(_i: int) -> None: ...


def _noted(notes: Path) -> Row:
    """What the run saw that filled it."""
    if not notes.exists():
        raise ConfigError(f"{notes} is missing, so nobody knows how the index was filled: --keep another directory")
    found: Row = json.loads(notes.read_text(encoding="utf-8"))
    return found


def _searched(
    index: Index, size: int, texts: Sequence[str], vectors: Vectors, everything: Exact, one_year: Exact
) -> list[Row]:
    def dense(i: int, within: Within = EVERYTHING) -> list[str]:
        return [each.id for each in index.dense(DEFAULT_TENANT, vectors[i], _CANDIDATES, (), None, within)]

    found = [dense(i) for i in range(len(vectors))]
    of_one_year = [dense(i, _ONE_YEAR) for i in range(len(vectors))]
    recall = {"dense": _recall(found, everything), "dense, one year": _recall(of_one_year, one_year)}
    stages: dict[str, Callable[[int], object]] = {
        "dense": dense,
        "dense, one year": lambda i: dense(i, _ONE_YEAR),
        "bm25": lambda i: index.bm25(DEFAULT_TENANT, texts[i], _CANDIDATES),
        "bm25, one year": lambda i: index.bm25(DEFAULT_TENANT, texts[i], _CANDIDATES, (), _ONE_YEAR),
        "documents, to rank": lambda i: index.to_rank(DEFAULT_TENANT, found[i]),
        "documents, of a page": lambda i: index.documents(DEFAULT_TENANT, found[i][:10]),
    }
    before = {"documents, to rank": dense}
    """What is read to rank is what was found just before."""
    timed: list[Row] = [
        {
            "documents": size,
            "stage": name,
            **_timed_at(stage, len(texts), 1, before.get(name, _nothing)),
            **_timed_at(stage, len(texts), _TOGETHER, before.get(name, _nothing)),
        }
        for name, stage in stages.items()
    ]
    return timed + [{"documents": size, "ranking": name, "recall_at_10": share} for name, share in recall.items()]


def _timed_at(
    stage: Callable[[int], object], queries: int, together: int, before: Callable[[int], object]
) -> dict[str, float]:
    """The times of a stage, without what goes `before` it."""
    times = Times()

    def ask(i: int) -> None:
        before(i)
        times.of(lambda: stage(i))

    with ThreadPoolExecutor(together) as pool:
        list(pool.map(ask, range(queries)))
    p50, p95, p99 = times.percentiles(50, 95, 99)
    return {f"p50_ms_c{together}": p50, f"p95_ms_c{together}": p95, f"p99_ms_c{together}": p99}


def _recall(found: Sequence[Sequence[str]], exact: Exact) -> float:
    """Of the true nearest, the share that is among as many of those found."""
    hits = [len(exact.neighbours(i) & set(ids[:NEAREST])) / len(exact.neighbours(i)) for i, ids in enumerate(found)]
    return float(np.mean(hits))


def peak_gib() -> float:
    """The most memory that this process has held, with the files that it has mapped; 0 where it is not known."""
    lines = _STATUS.read_text().splitlines() if _STATUS.exists() else []
    return next((int(line.split()[1]) / 2**20 for line in lines if line.startswith("VmHWM:")), 0.0)


def _children_gib() -> float:
    """The same of the largest process that it has started and that has ended."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
