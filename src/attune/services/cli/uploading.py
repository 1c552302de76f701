"""Documents to the search service, under a progress bar."""

from collections.abc import Sequence

from attune.search.v1.search_pb2 import IndexDocumentsResponse
from attune.services.cli.corpora.model import CorpusDocument
from attune.services.cli.output import progress
from attune.services.cli.sending_documents import batches, to_message
from attune.services.client import Client

AT_ONCE = 128


def index_with_progress(
    client: Client, documents: Sequence[CorpusDocument], title: str, generation: str = ""
) -> IndexDocumentsResponse:
    """Index in batches, each acknowledged before the next, under a progress bar."""
    total = IndexDocumentsResponse()
    with progress() as bar:
        task = bar.add_task(title, total=len(documents))
        for start, batch in batches(documents, AT_ONCE):
            answer = client.index((to_message(each) for each in batch), generation=generation)
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
