"""`attune index`: documents from files into the search service, or into the log that it reads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from attune.search.v1.search_pb2 import IndexDocumentsResponse
from attune.services.cli.corpora.jsonlines import read_json_lines
from attune.services.cli.corpora.model import CorpusDocument, CorpusError
from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json, Token, connect
from attune.services.cli.output import as_dict, console, print_json, progress
from attune.services.cli.sending_documents import Target, batches, send_to_log, tell_sent, to_message
from attune.services.client import Client
from attune.services.runtime.call import DEFAULT_TENANT

_AT_ONCE = 128


def index(
    source: Annotated[Path, typer.Argument(help="A directory in BEIR layout, or a JSONL file of documents.")],
    domain: Annotated[str, typer.Option(help="The domain of the documents. Default: the name of the source.")] = "",
    to: Annotated[
        Target, typer.Option(help="The search service, or the event log, from where a search role indexes them later.")
    ] = Target.SERVICE,
    tenant: Annotated[str, typer.Option(help="For --to log: whose the documents are, where no token tells it.")] = (
        DEFAULT_TENANT
    ),
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Add or replace documents. What is unchanged is skipped, so a stopped run can simply be repeated.

    A JSONL line is {"_id": ..., "title": ..., "text": ...}.

    Example: attune index corpora/scifact --domain biomedicine
    """
    with told_plainly():
        documents = read_documents(source, domain)
        if to is Target.LOG:
            tell_sent(send_to_log(documents, tenant, f"sending {source.name}"), as_json=as_json)
            return
        with connect(token) as client:
            total = index_with_progress(client, documents, f"indexing {source.name}")
    if as_json:
        print_json(as_dict(total))
        return
    console.print(f"indexed {total.indexed}, unchanged {total.unchanged}, refused {total.rejected_count}")
    for each in total.rejected:
        console.print(f"  document {each.index} ({each.document_id}): {each.field}: {each.reason}", style="yellow")
    for notice in total.notices:
        console.print(f"  of a batch of at most {_AT_ONCE}: {notice}", style="yellow", markup=False)


def read_documents(source: Path, domain: str) -> Sequence[CorpusDocument]:
    """The documents of a BEIR directory or of a JSONL file, `domain` or else the source's name being their domain.

    Raises:
        CorpusError: naming file, line, field and mend.
    """
    path = _corpus_file(source)
    name = domain or source.resolve().name.partition(".")[0].lower()
    return [
        CorpusDocument(line.text("_id", required=True), line.text("title"), line.text("text"), name)
        for line in read_json_lines(path)
    ]


def _corpus_file(source: Path) -> Path:
    if not source.is_dir():
        return source
    for path in (source / "corpus.jsonl", source / "corpus.jsonl.gz"):
        if path.is_file():
            return path
    raise CorpusError(f"{source}: no corpus.jsonl or corpus.jsonl.gz; give a directory in BEIR layout, or a JSONL file")


def index_with_progress(client: Client, documents: Sequence[CorpusDocument], title: str) -> IndexDocumentsResponse:
    """Index in batches, each acknowledged before the next, under a progress bar."""
    total = IndexDocumentsResponse()
    with progress() as bar:
        task = bar.add_task(title, total=len(documents))
        for start, batch in batches(documents, _AT_ONCE):
            answer = client.index(to_message(each) for each in batch)
            _add(total, answer, start)
            bar.advance(task, len(batch))
    return total


def _add(total: IndexDocumentsResponse, answer: IndexDocumentsResponse, start: int) -> None:
    total.indexed += answer.indexed
    total.unchanged += answer.unchanged
    total.rejected_count += answer.rejected_count
    for each in answer.rejected:
        each.index += start
        total.rejected.append(each)
    total.notices.extend(notice for notice in answer.notices if notice not in total.notices)
