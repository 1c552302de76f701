"""The command: levels of augmentation, each with its ablation, beside plain vectors, BM25, and both fused."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated

import typer

from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.errors import SettingError
from attune.embeddings.items import EmbedItem, Role
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.options import named
from attune.services.cli.measure.report import Row, make_report, show, write
from attune.services.cli.measure.tables import page_of
from attune.services.cli.options import Json
from attune.services.cli.output import progress
from attune.services.cli.train.installed import training_installed
from attune.services.runtime.clock import system_clock

if TYPE_CHECKING:
    from attune.embeddings.embedder import Embedder
    from attune.services.cli.measure.finegrained.measured import Measured
    from attune.services.cli.measure.finegrained.systems import Level
    from attune.services.cli.measure.finegrained.tasks import Corpora

_TIMED = 200


def finegrained(
    *,
    data: Annotated[list[Path], typer.Option(help="A corpus in BEIR layout; all are in one index. May be repeated.")],
    level: Annotated[
        list[str],
        typer.Option(help="NAME=DIR[@DOMAIN[:AUGMENTATION]]; repeated with one NAME, the models of several seeds."),
    ],
    queries: Annotated[int, typer.Option(min=1, help="At most so many of each corpus and task.")] = 150,
    seed: Annotated[int, typer.Option(help="Of the queries of each level's first model; the next has the next.")] = 0,
    vectors: Annotated[
        Path | None, typer.Option(help="Keep vectors in this file, and do not compute again what it has.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the report to this JSON file, and tables beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Measure retrieval of passages by their keywords and by parts of them (16 to 128 words), and people's queries.

    Each level is a model with an augmenter: plain is its backbone's vectors, dropped is what was trained without the
    head, applied is with it. Gains are relative to plain for made queries, and differences for people's, with 95%
    intervals by paired bootstrap over the queries of all seeds. Added latency is of one query, computed alone.

    Example: attune eval finegrained --data corpora/law --level plugin=models/mine --out finegrained.json
    """
    with told_plainly(), training_installed():
        from attune.services.cli.measure.finegrained.summary import summarised  # noqa: PLC0415 - torch

        levels, corpora = _levels(level), _corpora(data)
        measured, latency = _measure(levels, corpora, queries, seed, vectors)
        rows: list[Row] = [row for each in measured for row in each.rows()]
        summary = summarised(measured) | latency
        embedder = levels[0].embedder
        made = make_report(rows, summary, system_clock(), [f"{embedder.device}: {embedder.precision.reason}"])
        if out is not None:
            write(made, out, page_of("Keywords and parts of passages", made))
    show(made, as_json=as_json)


def _levels(given: Sequence[str]) -> "list[Level]":
    from attune.embeddings.embedder import Embedder  # noqa: PLC0415 - torch, which no other command waits for
    from attune.services.cli.measure.finegrained.systems import Level  # noqa: PLC0415

    loaded: dict[str, Embedder] = {}

    def load(place: str) -> Embedder:
        return loaded.setdefault(place, loaded.get(place) or Embedder.load(place or None))

    return [Level.parse(name, place, load) for name, place in (named(each, "--level") for each in given)]


def _corpora(directories: Sequence[Path]) -> "Corpora":
    from attune.services.cli.measure.finegrained.tasks import Corpora  # noqa: PLC0415
    from attune.services.cli.train.augmenter import read_collection  # noqa: PLC0415

    return Corpora([read_collection(directory, 0) for directory in directories])


def _measure(
    levels: "Sequence[Level]", corpora: "Corpora", count: int, seed: int, file: Path | None
) -> "tuple[list[Measured], dict[str, float]]":
    from attune.embeddings.stored_vectors import StoredVectors  # noqa: PLC0415
    from attune.services.cli.measure.finegrained.measured import Bench  # noqa: PLC0415
    from attune.services.cli.measure.finegrained.systems import Level, Vectors  # noqa: PLC0415
    from attune.services.cli.measure.finegrained.tasks import made_queries  # noqa: PLC0415

    stored = StoredVectors(file)
    measured: list[Measured] = []
    with _bar("embedding") as tell:
        vectors = Vectors(stored, tell)
        try:
            bench = Bench(corpora, vectors)
            for level in levels:
                number = seed + sum(each.level == level.name for each in measured)
                made = made_queries(corpora, count, number)
                if not any(made["keywords"]):
                    raise SettingError("--data: no passage has three words to ask for")
                plain = Level("plain", level.embedder, augmentation=Augmentation.NONE)
                measured.append(bench.measure(level, plain, number, made))
                stored.save()
        finally:
            stored.save()
    texts = [query.text for made in made_queries(corpora, count, seed).values() for each in made for query in each]
    return measured, _latency(levels, texts[:: max(1, len(texts) // _TIMED)][:_TIMED])


def _latency(levels: "Sequence[Level]", texts: Sequence[str]) -> dict[str, float]:
    """By level the median time of a query beside that of the same one plain, in turns: the share that is added."""
    found: dict[str, float] = {}
    for level in {each.name: each for each in levels}.values():
        times: dict[str, list[float]] = {"plain": [], "augmented": []}
        for text in texts:
            items = {
                "plain": _item(text, "", Augmentation.NONE),
                "augmented": _item(text, level.domain, level.augmentation),
            }
            for name, item in items.items():
                times[name].append(_seconds(level.embedder, item))
        found[f"{level.name}_added_latency_share"] = median(times["augmented"]) / median(times["plain"]) - 1
    return found | {"added_latency_share": max(found.values())}


def _item(text: str, domain: str, augmentation: str) -> EmbedItem:
    from attune.embeddings.router import GENERAL  # noqa: PLC0415

    return EmbedItem(text, domain or GENERAL, Role.QUERY, augmentation=augmentation)


def _seconds(embedder: "Embedder", item: EmbedItem) -> float:
    started = time.perf_counter()
    embedder.embed([item])
    return time.perf_counter() - started


@contextmanager
def _bar(title: str) -> Iterator[Callable[[int], None]]:
    with progress() as bar:
        task = bar.add_task(title, total=None)
        yield lambda count: bar.advance(task, count)
