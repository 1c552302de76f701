"""`attune eval routing`: are texts that name no domain taken for their own?"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import typer

from attune.embeddings.errors import SettingError
from attune.embeddings.items import Embedded, EmbedItem, Role
from attune.embeddings.router import GENERAL
from attune.embeddings.training.passages import Passage
from attune.services.cli.corpora.beir import read_qrels, read_queries
from attune.services.cli.failures import told_plainly
from attune.services.cli.indexing import read_documents
from attune.services.cli.measure.report import Row, make_report, show, write
from attune.services.cli.measure.tables import page_of
from attune.services.cli.options import Json
from attune.services.cli.output import progress
from attune.services.runtime.clock import system_clock

if TYPE_CHECKING:
    from attune.embeddings.embedder import Embedder

_BATCH = 256


def routing(
    *,
    model: Annotated[Path, typer.Option(help="A model directory with experts.")],
    data: Annotated[
        list[Path], typer.Option(help="A judged corpus in BEIR layout, whose name is a domain; may be repeated.")
    ],
    split: Annotated[str, typer.Option(help="Only the queries of qrels/<split>.tsv.")] = "",
    at_most: Annotated[
        int, typer.Option(min=0, help="So many documents of each corpus, drawn at random, as are its queries; 0: all.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the report to this JSON file, and tables beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Measure which share of each corpus' documents and judged queries are routed to the domain of its name.

    Texts taken for the general domain, or for another one, count as wrong. Means are over corpora.

    Example: attune eval routing --model models/mine --data corpora/law --data corpora/medicine
    """
    from attune.embeddings.embedder import Embedder  # noqa: PLC0415 - torch, which no other command waits for

    with told_plainly():
        embedder = Embedder.load(str(model))
        known = {each.id for each in embedder.domains.domains()}
        with progress() as bar:
            tracked = bar.track(data, description="routing")
            rows = [_row(embedder, known, directory, split, partial(_drawn, at_most, seed)) for directory in tracked]
        summary = {f"routing_{kind}": fmean(float(row[f"{kind}_right"]) for row in rows) for kind in _KINDS}
        made = make_report(rows, summary, system_clock(), [f"{embedder.device}: {embedder.precision.reason}"])
        if out is not None:
            write(made, out, page_of("Texts of unknown domain", made))
    show(made, as_json=as_json)


_KINDS = ("documents", "queries")


def _drawn(at_most: int, seed: int, texts: list[str]) -> list[str]:
    return Random(seed).sample(texts, at_most) if 0 < at_most < len(texts) else texts  # noqa: S311 - no secret


def _row(
    embedder: "Embedder", known: set[str], directory: Path, split: str, drawn: Callable[[list[str]], list[str]]
) -> Row:
    documents = read_documents(directory, "")
    name = documents[0].domain
    if name not in known:
        raise SettingError(f"--data {directory}: the model has no domain {name!r}: train it, or leave the corpus out")
    judged = read_qrels(directory, split)
    queries = [query.text for query in read_queries(directory) if query.id in judged]
    whole = [Passage(each.title, each.text).whole for each in documents]
    texts = {"documents": [text for text in whole if text.strip()], "queries": queries}
    row: dict[str, str | int | float] = {"domain": name}
    for kind, role in zip(_KINDS, (Role.PASSAGE, Role.QUERY), strict=True):
        routed = _routed(embedder, drawn(texts[kind]), role)
        row |= {
            kind: len(routed),
            f"{kind}_right": fmean(each == name for each in routed),
            f"{kind}_general": fmean(each == GENERAL for each in routed),
        }
    return row


def _routed(embedder: "Embedder", texts: Sequence[str], role: Role) -> list[str]:
    """The domains that texts of no named domain were embedded in."""
    found = []
    for start in range(0, len(texts), _BATCH):
        items = [EmbedItem(text, role=role) for text in texts[start : start + _BATCH]]
        found += [each.domain if isinstance(each, Embedded) else "" for each in embedder.embed(items).results]
    return found
