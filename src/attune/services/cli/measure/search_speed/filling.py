"""An index is filled, closed, opened and searched; in a process of its own, so that its memory is its own."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attune.services.cli.measure.report import Row
from attune.services.cli.measure.search_speed.exact import Exact
from attune.services.cli.measure.search_speed.material import Material, Vectors, year_of
from attune.services.cli.measure.times import Times
from attune.services.search.index.edge_shelf import open_edge_index
from attune.services.search.index.fields import DeclaredFields
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.narrowing import EqualsAny, Within
from attune.services.search.index.port import Document, Index, IndexedDocument
from attune.services.search.index.settings import IndexSettings

TENANT = "bench"
NEAREST = 10
_CANDIDATES = 100
_TOGETHER = 8
_FIELDS = DeclaredFields.parse("year:number")
_ONE_YEAR = Within(filter=EqualsAny("year", (1.0,)))
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Plan:
    """What is measured."""

    directory: Path
    sizes: Sequence[int]
    queries: int
    settings: IndexSettings


def measure(plan: Plan, material: Material, tell: Callable[[int], None]) -> list[Row]:
    """Rows of each size; `tell` hears how many documents there are."""
    identity = IndexIdentity("made up", material.vectors.shape[1])
    texts, vectors = material.queries(plan.queries)
    everything, one_year = Exact(vectors, NEAREST), Exact(vectors, NEAREST)
    rows: list[Row] = []
    done = 0
    index = open_edge_index(plan.directory, identity, _FIELDS, plan.settings)
    for size in plan.sizes:
        times: dict[str, float] = {"making_s": 0.0, "writing_s": 0.0}
        for documents, made in _timed(material, done, size, times):
            _take(everything, one_year, documents, made)
            started = time.perf_counter()
            index.upsert(TENANT, [IndexedDocument.of(each) for each in documents], made)
            times["writing_s"] += time.perf_counter() - started
            done += len(documents)
            tell(done)
        index.close()
        started = time.perf_counter()
        index = open_edge_index(plan.directory, identity, _FIELDS, plan.settings)
        opened = time.perf_counter() - started
        rows.append(_filled(plan, size, times, opened))
        rows += _searched(index, size, texts, vectors, everything, one_year)
    index.close()
    return rows


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


def _filled(plan: Plan, size: int, times: dict[str, float], opened: float) -> Row:
    stored = sum(each.stat().st_size for each in plan.directory.rglob("*") if each.is_file())
    return {
        "documents": size,
        "documents_per_s": (size - _before(plan, size)) / times["writing_s"],
        "writing_s": times["writing_s"],
        "opening_s": opened,
        "peak_gib": peak_gib(),
        "disk_gib": stored / 2**30,
    }


def _before(plan: Plan, size: int) -> int:
    return max((each for each in plan.sizes if each < size), default=0)


def _searched(
    index: Index, size: int, texts: Sequence[str], vectors: Vectors, everything: Exact, one_year: Exact
) -> list[Row]:
    found = [[each.id for each in index.dense(TENANT, vector, _CANDIDATES)] for vector in vectors]
    within = [[each.id for each in index.dense(TENANT, each, _CANDIDATES, (), None, _ONE_YEAR)] for each in vectors]
    recall = {"dense": _recall(found, everything), "dense, one year": _recall(within, one_year)}
    stages: dict[str, Callable[[int], object]] = {
        "dense": lambda i: index.dense(TENANT, vectors[i], _CANDIDATES),
        "dense, one year": lambda i: index.dense(TENANT, vectors[i], _CANDIDATES, (), None, _ONE_YEAR),
        "bm25": lambda i: index.bm25(TENANT, texts[i], _CANDIDATES),
        "bm25, one year": lambda i: index.bm25(TENANT, texts[i], _CANDIDATES, (), _ONE_YEAR),
        "documents": lambda i: index.documents(TENANT, found[i]),
    }
    timed: list[Row] = [
        {
            "documents": size,
            "stage": name,
            **_timed_at(stage, len(texts), 1),
            **_timed_at(stage, len(texts), _TOGETHER),
        }
        for name, stage in stages.items()
    ]
    return timed + [{"documents": size, "ranking": name, "recall_at_10": share} for name, share in recall.items()]


def _timed_at(stage: Callable[[int], object], queries: int, together: int) -> dict[str, float]:
    times = Times()
    with ThreadPoolExecutor(together) as pool:
        list(pool.map(lambda i: times.of(lambda: stage(i)), range(queries)))
    p50, p95 = times.percentiles(50, 95)
    return {f"p50_ms_c{together}": p50, f"p95_ms_c{together}": p95}


def _recall(found: Sequence[Sequence[str]], exact: Exact) -> float:
    """Of the true nearest, the share that is among as many of those found."""
    hits = [len(exact.neighbours(i) & set(ids[:NEAREST])) / len(exact.neighbours(i)) for i, ids in enumerate(found)]
    return float(np.mean(hits))


def peak_gib() -> float:
    """The most memory that this process has held, with the files that it has mapped; 0 where it is not known."""
    lines = _STATUS.read_text().splitlines() if _STATUS.exists() else []
    return next((int(line.split()[1]) / 2**20 for line in lines if line.startswith("VmHWM:")), 0.0)
