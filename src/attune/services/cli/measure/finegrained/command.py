"""The command: levels of augmentation, each with its ablation, beside plain vectors, BM25, and both fused."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.errors import SettingError
from attune.embeddings.router import GENERAL
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.options import named
from attune.services.cli.measure.report import Row, make_report, show, write
from attune.services.cli.measure.tables import page_of
from attune.services.cli.options import Json
from attune.services.cli.output import progress
from attune.services.cli.train.installed import training_installed
from attune.services.runtime.clock import system_clock

if TYPE_CHECKING:
    from attune.services.cli.measure.finegrained.measured import Measured
    from attune.services.cli.measure.finegrained.systems import Level
    from attune.services.cli.measure.finegrained.tasks import Corpora


def finegrained(
    *,
    data: Annotated[list[Path], typer.Option(help="A corpus in BEIR layout; all are in one index. May be repeated.")],
    level: Annotated[
        list[str],
        typer.Option(help="NAME=DIR[@DOMAIN[:AUGMENTATION]]; repeated with one NAME, the models of several seeds."),
    ],
    queries: Annotated[int, typer.Option(min=1, help="At most so many of each corpus and task.")] = 150,
    seed: Annotated[int, typer.Option(help="Of the queries of each level's first model; the next has the next.")] = 0,
    base: Annotated[
        str, typer.Option(help="The domain whose vectors are plain; an expert's, to measure levels beside it.")
    ] = GENERAL,
    vectors: Annotated[
        Path | None, typer.Option(help="Keep vectors in this file, and do not compute again what it has.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the report to this JSON file, and tables beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Measure retrieval of passages by their keywords and by parts of them (16 to 128 words), and people's queries.

    Each level is a model with an augmenter: plain is its vectors of the domain --base, dropped is what was trained
    without the head, applied is with it. Gains are relative to plain for made queries, and differences for people's,
    with 95% intervals by paired bootstrap over the queries of all seeds. BM25 of what is read is about the most that
    vectors can do for made queries, since the backbone has not read the rest of a passage: unread shares say of how
    many parts that is true. `attune bench augmentation` says what a level costs in time.

    Example: attune eval finegrained --data corpora/law --level plugin=models/mine --out finegrained.json
    """
    with told_plainly(), training_installed():
        from attune.services.cli.measure.finegrained.summary import summarised  # noqa: PLC0415 - torch

        levels, corpora = read_levels(level), read_corpora(data)
        measured = _measure(levels, _plain(levels, base), corpora, (queries, seed), vectors)
        rows: list[Row] = [row for each in measured for row in each.rows()]
        summary = summarised(measured)
        embedder = levels[0].embedder
        made = make_report(rows, summary, system_clock(), [f"{embedder.device}: {embedder.precision.reason}"])
        if out is not None:
            write(made, out, page_of("Keywords and parts of passages", made))
    show(made, as_json=as_json)


def read_levels(given: Sequence[str]) -> "list[Level]":
    """The levels of options; those of one directory share a model."""
    from attune.embeddings.embedder import Embedder  # noqa: PLC0415 - torch, which no other command waits for
    from attune.services.cli.measure.finegrained.systems import Level  # noqa: PLC0415

    loaded: dict[str, Embedder] = {}

    def load(place: str) -> Embedder:
        return loaded.setdefault(place, loaded.get(place) or Embedder.load(place or None))

    return [Level.parse(name, place, load) for name, place in (named(each, "--level") for each in given)]


def read_corpora(directories: Sequence[Path]) -> "Corpora":
    """The corpora, in one index."""
    from attune.services.cli.measure.finegrained.tasks import Corpora  # noqa: PLC0415
    from attune.services.cli.train.augmenter import read_collection  # noqa: PLC0415

    return Corpora([read_collection(directory, 0) for directory in directories])


def _plain(levels: "Sequence[Level]", base: str) -> "list[Level]":
    """What each level is beside: the base domain's vectors by its model."""
    from attune.services.cli.measure.finegrained.systems import Level  # noqa: PLC0415

    for level in levels:
        if base not in {each.id for each in level.embedder.domains.domains()}:
            raise SettingError(f"--base {base}: the model of --level {level.name} has no such domain")
    return [Level("plain", level.embedder, base, Augmentation.NONE) for level in levels]


def _measure(
    levels: "Sequence[Level]",
    plain: "Sequence[Level]",
    corpora: "Corpora",
    asked: tuple[int, int],
    file: Path | None,
) -> "list[Measured]":
    """`asked` are the number of queries and the first seed."""
    from attune.embeddings.stored_vectors import StoredVectors  # noqa: PLC0415
    from attune.services.cli.measure.finegrained.measured import Bench  # noqa: PLC0415
    from attune.services.cli.measure.finegrained.systems import Vectors  # noqa: PLC0415
    from attune.services.cli.measure.finegrained.tasks import made_queries  # noqa: PLC0415

    count, seed = asked
    stored = StoredVectors(file)
    measured: list[Measured] = []
    with _bar("embedding") as tell:
        vectors = Vectors(stored, tell)
        try:
            bench = Bench(corpora, plain[0].embedder.taken(corpora.passages), vectors)
            for level, beside in zip(levels, plain, strict=True):
                number = seed + sum(each.level == level.name for each in measured)
                made = made_queries(corpora, count, number)
                if not any(made["keywords"]):
                    raise SettingError("--data: no passage has three words to ask for")
                measured.append(bench.measure(level, beside, number, made))
                stored.save()
        finally:
            stored.save()
    return measured


@contextmanager
def _bar(title: str) -> Iterator[Callable[[int], None]]:
    with progress() as bar:
        task = bar.add_task(title, total=None)
        yield lambda count: bar.advance(task, count)
