"""The command: real texts are embedded, documents are made of them, and an index is filled with those."""

import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from attune.services.cli.background import on_free_ports
from attune.services.cli.failures import told_plainly
from attune.services.cli.indexing import read_documents
from attune.services.cli.measure.report import Row, make_report, show, write
from attune.services.cli.measure.search_speed.filling import FIELDS, Plan, measure
from attune.services.cli.measure.search_speed.material import Material
from attune.services.cli.measure.search_speed.people import FULL, settle_people
from attune.services.cli.measure.search_speed.whole import PERSONAL, TOGETHER, WHOLE, whole_searches
from attune.services.cli.measure.tables import page_of
from attune.services.cli.measure.times import Times
from attune.services.cli.options import Json
from attune.services.cli.output import progress
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config, ConfigError
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.settings import IndexSettings

_BATCH = 64
_FEWEST = 100
_SEARCHES = 3280
"""Whole ones, of each size: half of them by roles in one process, and half by roles in one each; of either half some to
warm up, and a fourth of the others each way.
"""


def search(  # noqa: PLR0913 - options of a command
    *,
    data: Annotated[Path, typer.Option(help="Real documents: a directory in BEIR layout, or JSONL.")],
    documents: Annotated[
        list[int] | None,
        typer.Option(min=1000, help="How many made-up documents; repeated, the index grows. Default: 100000."),
    ] = None,
    embedded: Annotated[int, typer.Option(min=_FEWEST, help="How many real documents are embedded.")] = 3000,
    queries: Annotated[int, typer.Option(min=10, help="How many queries.")] = 200,
    directory: Annotated[
        Path | None, typer.Option(help="Where the index is made, and deleted again. Default: a temporary place.")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(help="A directory to keep the index in: the next run like this does not fill it again."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the report to this JSON file, and tables beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Measure the embedded index and whole searches, at 1 and at 8 together: filling, memory, recall, each stage.

    The encoder embeds some real documents, which is timed. The documents of the index are made up of those: vectors
    near theirs, and pieces of their texts. One year of ten is searched, too. Whole searches go through the services,
    with embedding and knowledge on this machine, first all in one process and then each in one of its own, of nobody
    and of a user with a full record. The settings of the environment count.

    Example: attune bench search --data corpora/scifact --documents 100000 --documents 1000000
    """
    with told_plainly(), _place(keep, directory) as place:
        config = _config(place)
        material, embedding, identity = _embedded(data, embedded, queries, seed)
        sizes, settings = sorted(documents or [100_000]), IndexSettings.of(config)
        settle_people(config, material.texts, sizes[0])
        plan = Plan(config.data_dir / "index", identity, sizes, queries, settings)
        rows = [embedding, *_measured(plan, material, config)]
        made = make_report(rows, summary_of(rows), system_clock())
        if out is not None:
            write(made, out, page_of("Searching a large index", made))
    show(made, as_json=as_json)


@contextmanager
def _place(keep: Path | None, directory: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(dir=directory) as place:
        yield Path(place)


def _config(place: Path) -> Config:
    """Of a system that disturbs no other."""
    return on_free_ports(Config(), place).model_copy(update={"search_fields": FIELDS})


def _embedded(data: Path, count: int, queries: int, seed: int) -> tuple[Material, Row, IndexIdentity]:
    from attune.services.cli.measure.suggestion_llm.vectors import Vectorizer  # noqa: PLC0415 - torch

    found = [f"{each.title}\n{each.text}".strip() for each in read_documents(data, "")]
    texts = list(dict.fromkeys(filter(None, found)))
    texts = texts[:: max(1, len(texts) // count)][:count]
    if len(texts) < _FEWEST:
        raise ConfigError(f"--data {data}: {len(texts)} different texts: give {_FEWEST} at least")
    vectorizer, times = Vectorizer(), Times()
    vectorizer(["a text to begin with"])
    started = time.perf_counter()
    with progress() as bar:
        places = bar.track(range(0, len(texts), _BATCH), description="embedding")
        vectors = np.vstack([vectorizer(texts[start : start + _BATCH]) for start in places])
    seconds = time.perf_counter() - started
    for text in Material(texts, vectors, seed).queries(queries)[0]:
        times.of(lambda text=text: vectorizer([text]))  # type: ignore[misc]
    p50, p95 = times.percentiles(50, 95)
    speed = len(texts) / seconds
    row: Row = {"embedded": len(texts), "embedded_per_s": speed, "query_p50_ms": p50, "query_p95_ms": p95}
    return Material(texts, vectors, seed), row, IndexIdentity(vectorizer.model_id, vectors.shape[1])


def _measured(plan: Plan, material: Material, config: Config) -> list[Row]:
    """The index in another process, which does not hold the model; whole searches while it waits."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measure_and_send, args=(plan, material, theirs))
    process.start()
    theirs.close()
    rows: list[Row] = []
    texts, _ = material.queries(_SEARCHES)
    with progress() as bar:
        filling = bar.add_task("filling", total=plan.sizes[-1])
        for size in plan.sizes:
            while isinstance(told := _heard(ours, process), int):
                bar.update(filling, completed=told)
            rows += [*told, *whole_searches(config, size, texts)]
            ours.send("go on")
    process.join()
    return rows


def _heard(connection: Connection, process: SpawnProcess) -> int | list[Row]:
    try:
        told: int | list[Row] = connection.recv()
    except EOFError as error:
        process.join()
        raise ConfigError(f"the measuring process ended ({process.exitcode}): is there memory enough?") from error
    return told


def _measure_and_send(plan: Plan, material: Material, connection: Connection) -> None:
    for rows in measure(plan, material, connection.send):
        connection.send(rows)
        connection.recv()


def summary_of(rows: Sequence[Row]) -> dict[str, float]:
    """Of the most documents, for a user with a full record, by roles in one process and apart; the worst recall."""
    largest = max(int(row["documents"]) for row in rows if "documents" in row)
    of_largest = [row for row in rows if row.get("documents") == largest]
    (filled,) = [row for row in of_largest if "peak_gib" in row]
    return {
        **_summary_of_whole([row for row in of_largest if row.get("processes") == 1], ""),
        **_summary_of_whole([row for row in of_largest if row.get("processes", 1) != 1], "_apart"),
        "ann_recall_at_10": _worst(rows, "dense"),
        "ann_recall_at_10_filtered": _worst(rows, "dense, one year"),
        "documents_indexed": float(largest),
        "index_peak_gib": float(filled["held_gib"]),
        "index_peak_mapped_gib": float(filled["peak_gib"]) + float(filled["graph_peak_gib"]),
        "indexed_per_s": float(filled["documents_per_s"]),
        "embedded_per_s": float(rows[0]["embedded_per_s"]),
    }


def _summary_of_whole(rows: Sequence[Row], how: str) -> dict[str, float]:
    whole = {(str(row["stage"]), int(row["together"])): row for row in rows if row["user"] == FULL}
    return {
        f"personal_p99_ms{how}": float(whole[PERSONAL, 1]["p99_ms"]),
        **{f"search_p95_ms_c{each}{how}": float(whole[WHOLE, each]["p95_ms"]) for each in (1, TOGETHER)},
    }


def _worst(rows: Sequence[Row], ranking: str) -> float:
    return min(float(row["recall_at_10"]) for row in rows if row.get("ranking") == ranking)
