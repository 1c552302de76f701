"""`attune index`: documents from files into the search service, or into the log that it reads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from attune.embeddings.errors import SettingError
from attune.search.v1.search_pb2 import Generation, IndexDocumentsResponse
from attune.services.cli.corpora.jsonlines import read_json_lines
from attune.services.cli.corpora.model import CorpusDocument, CorpusError
from attune.services.cli.failures import told_plainly
from attune.services.cli.generations import rebuild as rebuilt
from attune.services.cli.options import Json, Token, connect
from attune.services.cli.output import as_dict, console, print_json
from attune.services.cli.sending_documents import Target, send_to_log, tell_sent
from attune.services.cli.uploading import AT_ONCE, index_with_progress
from attune.services.runtime.call import DEFAULT_TENANT


def index(
    source: Annotated[Path, typer.Argument(help="A directory in BEIR layout, or a JSONL file of documents.")],
    domain: Annotated[str, typer.Option(help="The domain of the documents. Default: the name of the source.")] = "",
    to: Annotated[
        Target, typer.Option(help="The search service, or the event log, from where a search role indexes them later.")
    ] = Target.SERVICE,
    tenant: Annotated[str, typer.Option(help="For --to log: whose the documents are, where no token tells it.")] = (
        DEFAULT_TENANT
    ),
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild",
            help="Into a new generation of the index, which takes the place of the one that serves: all documents that "
            "there are to be, of all tenants.",
        ),
    ] = False,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Add or replace documents. What is unchanged is skipped, so a stopped run can simply be repeated.

    A JSONL line is {"_id": ..., "title": ..., "text": ...}; it may also have "fields": {"year": 2024}, which searches
    can be filtered by, "principals": ["staff"], who may see it, and "language": "de".

    Example: attune index corpora/scifact --domain biomedicine
    """
    with told_plainly():
        documents = read_documents(source, domain)
        if to is Target.LOG and rebuild:
            raise SettingError("--rebuild: a new generation reads the log by itself; leave --to away")
        if to is Target.LOG:
            tell_sent(send_to_log(documents, tenant, f"sending {source.name}"), as_json=as_json)
            return
        with connect(token) as client:
            title, generation = f"indexing {source.name}", Generation()
            if rebuild:
                total, generation = rebuilt(client, documents, title)
            else:
                total = index_with_progress(client, documents, title)
    if as_json:
        print_json(as_dict(total) | ({"generation": as_dict(generation)} if rebuild else {}))
        return
    _tell(total)
    if rebuild and total.rejected_count:
        console.print(
            f"generation {generation.name} does not serve yet: mend what was refused and run the command again, or put "
            f"it in place without: attune generations activate {generation.name}",
            style="yellow",
        )
    elif rebuild:
        console.print(f"generation {generation.name} serves {generation.documents} documents")


def _tell(total: IndexDocumentsResponse) -> None:
    console.print(f"indexed {total.indexed}, unchanged {total.unchanged}, refused {total.rejected_count}")
    for each in total.rejected:
        console.print(f"  document {each.index} ({each.document_id}): {each.field}: {each.reason}", style="yellow")
    for notice in total.notices:
        console.print(f"  of a batch of at most {AT_ONCE}: {notice}", style="yellow", markup=False)


def read_documents(source: Path, domain: str) -> Sequence[CorpusDocument]:
    """The documents of a BEIR directory or of a JSONL file, `domain` or else the source's name being their domain.

    Raises:
        CorpusError: naming file, line, field and mend.
    """
    path = _corpus_file(source)
    name = domain or source.resolve().name.partition(".")[0].lower()
    return [
        CorpusDocument(
            line.text("_id", required=True),
            line.text("title"),
            line.text("text"),
            name,
            fields=line.mapping("fields"),
            principals=line.texts("principals"),
            language=line.text("language"),
        )
        for line in read_json_lines(path)
    ]


def _corpus_file(source: Path) -> Path:
    if not source.is_dir():
        return source
    for path in (source / "corpus.jsonl", source / "corpus.jsonl.gz"):
        if path.is_file():
            return path
    raise CorpusError(f"{source}: no corpus.jsonl or corpus.jsonl.gz; give a directory in BEIR layout, or a JSONL file")
