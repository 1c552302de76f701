"""The command: one after the other, then many streams at once, against a server whose own time is known."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer

from attune.knowledge_store.retrieval import Mode
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.llm_speed.slow_server import SlowServer
from attune.services.cli.measure.report import Row, report
from attune.services.cli.options import Json
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config
from attune.services.runtime.metrics import Metrics
from attune.services.suggestion.known import KnownEntity, Situation
from attune.services.suggestion.writing.configured import configured_writer
from attune.services.suggestion.writing.model import Account, Task, Writer

_LIMIT = 5
_TIMEOUT_S = 120.0
_WARM_UP = 5
_PAGE = "A page about sourdough, rye and how long the dough is left to rest. " * 40


@dataclass(frozen=True, slots=True)
class _Taken:
    """Of one request, in milliseconds."""

    first: float
    total: float
    cpu: float
    """Of the process, meanwhile: free of what other processes on the same core take."""


def llm(
    requests: Annotated[int, typer.Option(min=1, help="So many, one after the other.")] = 200,
    streams: Annotated[int, typer.Option(min=1, help="So many at once.")] = 200,
    server_s: Annotated[
        float, typer.Option(min=0.0, help="The server's time for an answer; ten times it if streamed.")
    ] = 0.2,
    as_json: Json = False,
) -> None:
    """Measure what attune adds to a language model's own time: prompt, request, checks; alone and with many streams.

    The server is one of this command, in the same process: its own work counts as ours.

    Example: attune bench llm --streams 200
    """
    with told_plainly():
        alone, together, wall_s = asyncio.run(_measure(requests, streams, server_s))
    cpu = [each.cpu for each in alone]
    own = [each.total - server_s * 1000 for each in alone]
    over = [each.total - server_s * 10_000 for each in together]
    first = [each.first for each in together]
    at_once = f"{streams} streams at once"
    rows: list[Row] = [
        {"load": "one after the other", "figure": "own time, ms", **_quantiles(own), "requests": requests},
        {"load": "one after the other", "figure": "CPU, ms", **_quantiles(cpu), "requests": requests},
        {"load": at_once, "figure": "own time, ms", **_quantiles(over), "requests": streams},
        {
            "load": at_once,
            "figure": "first suggestion, ms",
            **_quantiles(first),
            "requests": streams,
        },
    ]
    summary = {
        "own_time_on_llm_path_ms": float(np.median(own)),
        "own_time_on_llm_path_p95_ms": float(np.quantile(own, 0.95)),
        "own_cpu_on_llm_path_ms": float(np.median(cpu)),
        "streams": float(len(together)),
        "streams_wall_s": wall_s,
        "streams_server_s": server_s * 10,
    }
    report(rows, summary, system_clock(), as_json=as_json)


async def _measure(requests: int, streams: int, server_s: float) -> tuple[list[_Taken], list[_Taken], float]:
    async with SlowServer(server_s, _LIMIT).running() as url:
        writer = _writer(url)
        alone = [await _one(writer, is_streamed=False) for _ in range(requests + _WARM_UP)][_WARM_UP:]
        await writer.close()
    async with SlowServer(server_s * 10, _LIMIT).running() as url:
        writer = _writer(url)
        started = time.perf_counter()
        together = await asyncio.gather(*(_one(writer, is_streamed=True) for _ in range(streams)))
        wall_s = time.perf_counter() - started
        await writer.close()
    return alone, list(together), wall_s


def _writer(url: str) -> Writer:
    made = configured_writer(Config(llm_base_url=url, llm_model="slow"), Metrics())
    assert made is not None  # noqa: S101 - the URL is set
    return made


async def _one(writer: Writer, *, is_streamed: bool) -> _Taken:
    known = [KnownEntity(f"e{at}", f"entity {at}", Mode.FAMILIAR, 1 / (at + 1), at) for at in range(12)]
    situation = Situation("sourdough", ["rye", "bread"], "Bread", _PAGE, known, ())
    started, cpu = time.perf_counter(), time.process_time()
    taken: list[float] = []
    task = Task(situation, _LIMIT, _TIMEOUT_S, is_streamed=is_streamed)
    async with aclosing(writer.write(task, Account())) as written:
        async for _each in written:
            taken.append((time.perf_counter() - started) * 1000)  # noqa: PERF401 - the moments are what is measured
    return _Taken(taken[0], (time.perf_counter() - started) * 1000, (time.process_time() - cpu) * 1000)


def _quantiles(values: list[float]) -> dict[str, float]:
    p50, p95, p99 = (float(np.quantile(values, each)) for each in (0.5, 0.95, 0.99))
    return {"p50": p50, "p95": p95, "p99": p99}
