"""`attune bench augmentation`: what an augmented query takes longer than a plain one."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated

import typer

from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.errors import SettingError
from attune.embeddings.items import EmbedItem, Role
from attune.embeddings.router import GENERAL
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.finegrained.command import read_corpora, read_levels
from attune.services.cli.measure.report import Row, make_report, show, write
from attune.services.cli.measure.tables import page_of
from attune.services.cli.options import Json
from attune.services.cli.train.installed import training_installed
from attune.services.runtime.clock import system_clock

_WARM_UP = 10

if TYPE_CHECKING:
    from attune.embeddings.embedder import Embedder
    from attune.services.cli.measure.finegrained.systems import Level


def augmentation(
    *,
    data: Annotated[list[Path], typer.Option(help="A corpus in BEIR layout to make queries of; may be repeated.")],
    level: Annotated[list[str], typer.Option(help="NAME=DIR[@DOMAIN[:AUGMENTATION]]; may be repeated.")],
    queries: Annotated[int, typer.Option(min=1, help="How many, keywords and parts of passages.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the queries.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the report to this JSON file, and tables beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Measure by how much augmenting lengthens the time of one query, computed alone.

    Each query is embedded plain and augmented, now the one first and now the other. A share is the median of the
    queries' own differences, of the median of plain ones; `added_latency_share` is that of the slowest level. Nothing
    else should run meanwhile.

    Example: attune bench augmentation --data corpora/law --level mine=models/mine
    """
    with told_plainly(), training_installed():
        from attune.services.cli.measure.finegrained.tasks import made_queries  # noqa: PLC0415 - torch

        levels, corpora = read_levels(level), read_corpora(data)
        made_of = made_queries(corpora, queries, seed).values()
        texts = [query.text for of_corpora in made_of for asked in of_corpora for query in asked]
        if not texts:
            raise SettingError("--data: no passage has three words to ask for")
        chosen = texts[:: max(1, len(texts) // queries)][:queries]
        rows = [_row(each, chosen) for each in {each.name: each for each in levels}.values()]
        summary = {f"{row['level']}_added_latency_share": float(row["added_share"]) for row in rows}
        summary["added_latency_share"] = max(summary.values())
        embedder = levels[0].embedder
        made = make_report(rows, summary, system_clock(), [f"{embedder.device}: {embedder.precision.reason}"])
        if out is not None:
            write(made, out, page_of("What augmenting a query takes", made))
    show(made, as_json=as_json)


def _row(level: "Level", texts: Sequence[str]) -> Row:
    """Medians of milliseconds, and of each query's own difference."""
    items = [(_item(text, GENERAL, Augmentation.NONE), _item(text, level.domain, level.augmentation)) for text in texts]
    plain, augmented = [], []
    for number, pair in enumerate([*items[:_WARM_UP], *items]):
        times = [0.0, 0.0]
        for place in (0, 1) if number % 2 else (1, 0):  # the second one of a text finds its way prepared
            times[place] = _milliseconds(level.embedder, pair[place])
        if number >= _WARM_UP:
            plain.append(times[0])
            augmented.append(times[1])
    added = median(after - before for before, after in zip(plain, augmented, strict=True))
    return {
        "level": level.name,
        "queries": len(texts),
        "plain_ms": median(plain),
        "augmented_ms": median(augmented),
        "added_ms": added,
        "added_share": added / median(plain),
    }


def _item(text: str, domain: str, kind: str) -> EmbedItem:
    return EmbedItem(text, domain, Role.QUERY, augmentation=kind)


def _milliseconds(embedder: "Embedder", item: EmbedItem) -> float:
    started = time.perf_counter()
    embedder.embed([item])
    return 1000 * (time.perf_counter() - started)
