"""The command: real texts are embedded, documents are made of them, and an index is filled with those."""

import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from attune.services.cli.failures import told_plainly
from attune.services.cli.indexing import read_documents
from attune.services.cli.measure.report import Row, make_report, show, write
from attune.services.cli.measure.search_speed.filling import Plan, measure
from attune.services.cli.measure.search_speed.material import Material
from attune.services.cli.measure.tables import page_of
from attune.services.cli.measure.times import Times
from attune.services.cli.options import Json
from attune.services.cli.output import progress
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config, ConfigError
from attune.services.search.index.settings import IndexSettings

_BATCH = 64
_FEWEST = 100


def search(
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
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the report to this JSON file, and tables beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Measure the embedded index: filling it, its memory, each stage of a search at 1 and at 8 together, and recall.

    The encoder embeds some real documents, which is timed. The documents of the index are made up of those: vectors
    near theirs, and pieces of their texts. One year of ten is searched, too. The settings of the environment count.

    Example: attune bench search --data corpora/scifact --documents 100000 --documents 1000000
    """
    with told_plainly(), tempfile.TemporaryDirectory(dir=directory) as place:
        sizes = sorted(documents or [100_000])
        material, embedding = _embedded(data, embedded, queries, seed)
        plan = Plan(Path(place) / "index", sizes, queries, IndexSettings.of(Config()))
        rows = [embedding, *_measured(plan, material)]
        made = make_report(rows, _summary(rows), system_clock())
        if out is not None:
            write(made, out, page_of("The index of documents", made))
    show(made, as_json=as_json)


def _embedded(data: Path, count: int, queries: int, seed: int) -> tuple[Material, Row]:
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
    return Material(texts, vectors, seed), row


def _measured(plan: Plan, material: Material) -> list[Row]:
    """In another process, which does not hold the model."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure_and_send, args=(plan, material, sender))
    process.start()
    sender.close()
    with progress() as bar:
        filling = bar.add_task("filling", total=plan.sizes[-1])
        while True:
            try:
                told: int | list[Row] = receiver.recv()
            except EOFError as error:
                process.join()
                raise ConfigError(
                    f"the measuring process ended ({process.exitcode}): is there memory enough?"
                ) from error
            if not isinstance(told, int):
                process.join()
                return told
            bar.update(filling, completed=told)


def _measure_and_send(plan: Plan, material: Material, sender: Connection) -> None:
    sender.send(measure(plan, material, sender.send))


def _summary(rows: Sequence[Row]) -> dict[str, float]:
    """Of the most documents."""
    largest = max(int(row["documents"]) for row in rows if "documents" in row)
    of_largest = [row for row in rows if row.get("documents") == largest]
    (filled,) = [row for row in of_largest if "peak_gib" in row]
    stages = {str(row["stage"]): row for row in of_largest if "stage" in row}
    recall = {str(row["ranking"]): float(row["recall_at_10"]) for row in of_largest if "ranking" in row}
    return {
        "documents_indexed": float(largest),
        "index_peak_gib": float(filled["peak_gib"]),
        "indexed_per_s": float(filled["documents_per_s"]),
        "embedded_per_s": float(rows[0]["embedded_per_s"]),
        "ann_recall_at_10": recall["dense"],
        "ann_recall_at_10_filtered": recall["dense, one year"],
        **{f"{name}_p95_ms_c8": float(stages[name]["p95_ms_c8"]) for name in ("dense", "bm25", "documents")},
    }
