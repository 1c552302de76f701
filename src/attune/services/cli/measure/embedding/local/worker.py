"""The worker: reads a request a line from standard input, writes an answer a line, ends with its input.

A request is {"do": name, "with": arguments}, an answer {"value": ...} or {"error": sentence}. The first answer, without
a request, says what model was loaded.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from attune.embeddings.embedder import Embedder
from attune.embeddings.errors import EmbeddingsError
from attune.embeddings.weights import resolve_model
from attune.services.cli.measure.embedding.load.lengths import lengths_of, texts_of
from attune.services.cli.measure.embedding.local.ceiling import measure_ceiling
from attune.services.cli.measure.embedding.local.engines import (
    Engine,
    OurEngine,
    format_name,
    has_reference,
    load_engine,
)
from attune.services.cli.measure.embedding.local.mixture import Mixture
from attune.services.cli.measure.embedding.local.operations import Operations
from attune.services.cli.measure.embedding.local.words import Words
from attune.services.cli.measure.embedding.plan import Load
from attune.services.cli.measure.errors import BenchError
from attune.services.runtime.config import Config


class Worker:
    """The model, and what can be asked about it."""

    def __init__(self, config: Config) -> None:
        path = str(config.model_path) if config.model_path else None
        embedder = Embedder.load(path, config.precision, config.threads, device="cpu")
        self._ours = OurEngine(embedder)
        self._directory = resolve_model(path)
        self._words = Words.load(self._directory)
        self._operations = Operations.read(self._directory)
        self._engines: dict[str, Engine] = {}
        self._precision = embedder.precision
        self.model = {
            "directory": str(self._directory),
            "revision": embedder.revision,
            "precision": format_name(embedder.precision.dtype),
            "has_reference": has_reference(),
        }
        self.requests: Mapping[str, Callable[..., Any]] = {
            "texts": self.texts,
            "speed": self.speed,
            "vectors": self.vectors,
            "mixed": self.mixed,
        }

    def texts(self, load: str, count: int, seed: int) -> list[str]:
        """Texts of a load, their lengths verified."""
        lengths = lengths_of(Load(load), count, seed)
        texts = texts_of(lengths, self._words.words, self._words.special_tokens, seed)
        self._words.verify(texts, lengths)
        return texts

    def speed(self, engine: str, texts: Sequence[str], seconds: float) -> dict[str, float]:
        """Throughput, and the fraction of the ceiling that was measured right before and right after."""
        computing = self._engine(engine)
        computing.vectors(texts[:8])
        before = measure_ceiling(computing.dtype)
        passes, elapsed = _repeat(lambda: computing.vectors(texts), seconds)
        after = measure_ceiling(computing.dtype)
        gflops = passes * self._operations.of(self._words.lengths(texts)) / elapsed / 1e9
        ceiling = (before.best + after.best) / 2
        return {
            "texts_per_s": passes * len(texts) / elapsed,
            "gflops": gflops,
            "torch_mm_gflops": (before.plain + after.plain) / 2,
            "ceiling_gflops": ceiling,
            "ceiling_fraction": gflops / ceiling,
        }

    def vectors(self, engine: str, texts: Sequence[str]) -> list[list[float]]:
        """Vectors by an engine."""
        found: list[list[float]] = self._engine(engine).vectors(texts).tolist()
        return found

    def mixed(self, texts: Sequence[str], weights: Sequence[float], seed: int, seconds: float) -> dict[str, float]:
        """Throughput of a mixture of experts beside that of one expert."""
        return self._mixture.speed(self._words.token_ids(texts), weights, seed, seconds)

    @cached_property
    def _mixture(self) -> Mixture:
        return Mixture(self._directory, self._precision)

    def _engine(self, name: str) -> Engine:
        if name not in self._engines:
            self._engines[name] = load_engine(name, self._directory, self._ours)
        return self._engines[name]


def _repeat(work: Callable[[], object], seconds: float) -> tuple[int, float]:
    """Do it at least once and for at least so many seconds: how often, and how long that took."""
    passes = 0
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds or not passes:
        work()
        passes += 1
    return passes, elapsed


def main() -> None:
    """Serve requests until the input ends."""
    # Libraries may print; the answers keep the real standard output for themselves.
    with os.fdopen(os.dup(1), "w", buffering=1) as answers:
        os.dup2(2, 1)
        try:
            worker = Worker(Config())
        except EmbeddingsError as error:
            print(json.dumps({"error": str(error)}), file=answers)
            return
        print(json.dumps({"value": worker.model}), file=answers)
        for line in sys.stdin:
            print(json.dumps(_answer(worker, json.loads(line))), file=answers)


def _answer(worker: Worker, request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"value": worker.requests[request["do"]](**request["with"])}
    except (BenchError, EmbeddingsError) as error:
        return {"error": str(error)}


if __name__ == "__main__":
    main()
