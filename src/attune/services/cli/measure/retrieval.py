"""`attune eval retrieval`: judged queries against the running pipeline, through the same gRPC calls as users make."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from attune.search.v1.search_pb2 import Hit
from attune.services.cli.background import on_free_ports, running_system
from attune.services.cli.corpora.beir import read_qrels, read_queries
from attune.services.cli.corpora.model import CorpusDocument
from attune.services.cli.failures import told_plainly
from attune.services.cli.indexing import read_documents
from attune.services.cli.measure.options import named
from attune.services.cli.measure.report import make_report, show, write
from attune.services.cli.measure.retrieval_rows import RANKINGS, Measured, summarised
from attune.services.cli.measure.tables import page_of
from attune.services.cli.options import Json
from attune.services.cli.output import progress
from attune.services.cli.uploading import index_with_progress
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config
from attune.services.runtime.logs import configure_logs

_DEPTH = 100


def retrieval(
    *,
    data: Annotated[list[Path], typer.Option(help="A judged corpus in BEIR layout; may be repeated.")],
    split: Annotated[str, typer.Option(help="Only the judgements of qrels/<split>.tsv.")] = "",
    model: Annotated[
        list[str] | None,
        typer.Option(help="NAME=DIR: a model, compared with the packaged backbone. Default: ATTUNE_MODEL_PATH alone."),
    ] = None,
    together: Annotated[
        bool, typer.Option(help="All corpora in one index: each query with its corpus named, and routed.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write the report to this JSON file, and tables beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Measure dense, BM25 and fused retrieval on judged corpora: nDCG@10, recall@100 and MRR.

    Each corpus is indexed into a directory of its own, which is removed afterwards; the corpus' name is its documents'
    domain, so a model's expert of that name embeds them. Differences have 95% intervals by paired bootstrap.

    Example: attune eval retrieval --data corpora/scifact --split test --json
    """
    with told_plainly():
        configure_logs("error")
        corpora = [_Corpus(directory, split) for directory in data]
        models = dict(named(each, "--model") for each in model or [])
        measured: list[Measured] = []
        for name, config in _configurations(models):
            for group in [corpora] if together else [[corpus] for corpus in corpora]:
                measured += _measure(name, config, group, together=together)
        made = make_report([each.row() for each in measured], summarised(measured), system_clock())
        if out is not None:
            write(made, out, page_of("Retrieval without personalization", made))
    show(made, as_json=as_json)


class _Corpus:
    """A judged corpus. In an index with others, its documents' ids begin with its name."""

    def __init__(self, directory: Path, split: str) -> None:
        queries = {query.id: query.text for query in read_queries(directory)}
        self.documents = read_documents(directory, "")
        self.name = self.documents[0].domain
        self.qrels = {query: grades for query, grades in read_qrels(directory, split).items() if query in queries}
        self.queries = [(query, queries[query]) for query in self.qrels]

    def prefixed(self) -> list[CorpusDocument]:
        return [replace(document, id=f"{self.name}/{document.id}") for document in self.documents]

    def own(self, ids: Sequence[str]) -> list[str]:
        """The ids as the judgements know them; those of other corpora stay as they are, and are not judged."""
        return [each.removeprefix(f"{self.name}/") for each in ids]


def _configurations(models: dict[str, str]) -> Iterator[tuple[str, Config]]:
    """The models to be measured by name: those given and the packaged one, or the one of the settings."""
    if not models:
        yield "model", Config()
        return
    for name, directory in models.items():
        yield name, Config().model_copy(update={"model_path": Path(directory)})
    yield "backbone", Config().model_copy(update={"model_path": None})


def _measure(model: str, config: Config, corpora: Sequence[_Corpus], *, together: bool) -> list[Measured]:
    with _searching(config) as client:
        for corpus in corpora:
            index_with_progress(client, corpus.prefixed(), f"{model}: indexing {corpus.name}")
        ways = {"given": True, "routed": False} if together else {"alone": False}
        return [
            _searched(client, model, corpus, way, narrow=narrow) for corpus in corpora for way, narrow in ways.items()
        ]


@contextmanager
def _searching(config: Config) -> Iterator[Client]:
    with (
        tempfile.TemporaryDirectory() as work,
        running_system(on_free_ports(config, Path(work)), system_clock) as system,
        Client(Addresses.of(system.config), timeout_s=60) as client,
    ):
        yield client


def _searched(client: Client, model: str, corpus: _Corpus, way: str, *, narrow: bool) -> Measured:
    rankings: dict[str, list[list[str]]] = {name: [] for name in RANKINGS}
    domains = [corpus.name] if narrow else []
    with progress() as bar:
        for _, text in bar.track(corpus.queries, description=f"{model}: searching {corpus.name}, {way}"):
            hits = client.search(text, page_size=_DEPTH, domains=domains).hits
            for name, found in rankings.items():
                found.append(corpus.own(_ids(hits, name)))
    grades = [corpus.qrels[query] for query, _ in corpus.queries]
    return Measured.of(model, corpus.name, way, len(corpus.documents), rankings, grades)


def _ids(hits: Sequence[Hit], ranking: str) -> list[str]:
    """The hits in the order of one ranking. The first ten of either are always among the first hundred fused."""
    if ranking == "fused":
        return [hit.document.document_id for hit in hits]
    places = {
        part.rank: hit.document.document_id for hit in hits for part in hit.explanation.parts if part.name == ranking
    }
    return [places[rank] for rank in sorted(places)]
