"""`attune eval retrieval`: judged queries against the running pipeline, through the same gRPC calls as users make."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer

from attune.embeddings.evaluation.ranking import ndcg
from attune.search.v1.search_pb2 import Hit
from attune.services.cli.background import on_free_ports, running_system
from attune.services.cli.corpora.beir import read_qrels, read_queries
from attune.services.cli.failures import told_plainly
from attune.services.cli.indexing import index_with_progress, read_documents
from attune.services.cli.measure.report import report
from attune.services.cli.options import Json
from attune.services.cli.output import progress
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config
from attune.services.runtime.logs import configure_logs

_DEPTH = 100
RANKINGS = ("dense", "bm25", "fused")


def retrieval(
    data: Annotated[list[Path], typer.Option(help="A judged corpus in BEIR layout; may be repeated.")],
    split: Annotated[str, typer.Option(help="Only the judgements of qrels/<split>.tsv.")] = "",
    as_json: Json = False,
) -> None:
    """Measure nDCG@10 of dense, BM25 and fused retrieval on judged corpora.

    Each corpus is indexed into a directory of its own, which is removed afterwards.

    Example: attune eval retrieval --data corpora/scifact --split test --json
    """
    with told_plainly():
        configure_logs("error")
        rows = [_row(directory, split) for directory in data]
    summary = {f"macro_ndcg_at_10_{name}": fmean(float(row[f"ndcg_at_10_{name}"]) for row in rows) for name in RANKINGS}
    report(rows, summary, system_clock(), as_json=as_json)


def _row(directory: Path, split: str) -> dict[str, str | int | float]:
    queries = {query.id: query.text for query in read_queries(directory)}
    qrels = {query: grades for query, grades in read_qrels(directory, split).items() if query in queries}
    documents = read_documents(directory, "")
    with (
        tempfile.TemporaryDirectory() as work,
        running_system(on_free_ports(Config(), Path(work)), system_clock) as system,
        Client(Addresses.of(system.config), timeout_s=60) as client,
    ):
        index_with_progress(client, documents, f"indexing {directory.name}")
        found = _search_all(client, [(queries[query], query) for query in qrels], directory.name)
    means = {
        f"ndcg_at_10_{name}": fmean(ndcg(_ids(found[query], name), grades) for query, grades in qrels.items())
        for name in RANKINGS
    }
    return {"set": directory.name, "documents": len(documents), "queries": len(qrels), **means}


def _search_all(client: Client, queries: Sequence[tuple[str, str]], name: str) -> dict[str, Sequence[Hit]]:
    found: dict[str, Sequence[Hit]] = {}
    with progress() as bar:
        for text, query in bar.track(queries, description=f"searching {name}"):
            found[query] = client.search(text, page_size=_DEPTH).hits
    return found


def _ids(hits: Sequence[Hit], ranking: str) -> list[str]:
    """The hits in the order of one ranking. The first ten of either are always among the first hundred fused."""
    if ranking == "fused":
        return [hit.document.document_id for hit in hits]
    places = {
        part.rank: hit.document.document_id for hit in hits for part in hit.explanation.parts if part.name == ranking
    }
    return [places[rank] for rank in sorted(places)]
