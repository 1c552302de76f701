"""`attune bench embedding`: closed-loop load on the embedding service, over real gRPC on one machine."""

import itertools
import random
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from attune.services.cli.background import on_free_ports, running_system
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.report import Row, report
from attune.services.cli.options import Json
from attune.services.cli.output import progress
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.logs import configure_logs

_CONCURRENCY = (1, 8, 32)
_WORDS = ("search", "event", "loop", "user", "store", "query", "network", "result", "domain", "vector")
_TEXTS = 512
_WARM_UP_S = 0.5


@dataclass(frozen=True, slots=True)
class Load:
    """What callers send: texts of about so many tokens."""

    name: str
    texts: Sequence[str]


def embedding(
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each load is measured.")] = 3.0,
    as_json: Json = False,
) -> None:
    """Measure texts/s and latency of Embed, one text per request, at several loads and concurrencies.

    Example: attune bench embedding --seconds 5 --json
    """
    with told_plainly():
        configure_logs("error")
        with (
            tempfile.TemporaryDirectory() as work,
            running_system(on_free_ports(Config(), Path(work)), system_clock, roles=[RoleName.EMBEDDING]) as system,
            Client(Addresses.of(system.config), timeout_s=60) as client,
        ):
            rows = _measure_all(client, seconds)
    best = max(float(row["texts_per_s"]) for row in rows)
    report(rows, {"best_texts_per_s": best}, system_clock(), as_json=as_json)


def _measure_all(client: Client, seconds: float) -> list[Row]:
    combinations = list(itertools.product(_loads(), _CONCURRENCY))
    with progress() as bar:
        return [_measure(client, *each, seconds) for each in bar.track(combinations, description="measuring")]


def _loads() -> list[Load]:
    """8-token queries, 128-token passages, and lengths with Zipf's law between 4 and 256; the same in every run."""
    generator = random.Random(0)  # noqa: S311 - nothing secret
    lengths = range(4, 257)
    zipf = generator.choices(lengths, [1 / (place + 1) for place in range(len(lengths))], k=_TEXTS)
    return [
        Load("q8", [_text(generator, 6) for _ in range(_TEXTS)]),
        Load("p128", [_text(generator, 126) for _ in range(_TEXTS)]),
        Load("zipf", [_text(generator, max(1, length - 2)) for length in zipf]),
    ]


def _text(generator: random.Random, words: int) -> str:
    """Each of the words is one token; the tokenizer adds two."""
    return " ".join(generator.choices(_WORDS, k=words))


def _measure(client: Client, load: Load, concurrency: int, seconds: float) -> Row:
    _run(client, load, concurrency, _WARM_UP_S)
    started = time.perf_counter()
    latencies = _run(client, load, concurrency, seconds)
    elapsed = time.perf_counter() - started
    p50, p99 = np.percentile(latencies, [50, 99]) * 1000
    return {
        "load": load.name,
        "concurrency": concurrency,
        "texts_per_s": round(len(latencies) / elapsed, 1),
        "p50_ms": round(float(p50), 2),
        "p99_ms": round(float(p99), 2),
    }


def _run(client: Client, load: Load, concurrency: int, seconds: float) -> list[float]:
    """Latencies in seconds of callers that each send the next text when the last is answered."""
    texts = itertools.cycle(load.texts)
    turn = threading.Lock()
    ends = time.perf_counter() + seconds

    def caller() -> list[float]:
        latencies = []
        while (started := time.perf_counter()) < ends:
            with turn:
                text = next(texts)
            client.embed([text], query=True)
            latencies.append(time.perf_counter() - started)
        return latencies

    with ThreadPoolExecutor(concurrency) as pool:
        return [each for done in [pool.submit(caller) for _ in range(concurrency)] for each in done.result()]
