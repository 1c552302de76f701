"""A file of suggestions' events, a JSON object a line, as lists that were shown."""

import json
from collections.abc import Iterator
from pathlib import Path

from attune.events.v1.events_pb2 import InteractionEvent
from attune.services.cli.corpora.jsonlines import read_json_lines
from attune.services.cli.corpora.model import CorpusError
from attune.services.cli.output import progress_console
from attune.services.runtime.records.json_text import event_of_json
from attune.services.runtime.records.refusal import InvalidRecordError
from attune.services.suggestion.ranking.learning import Learned, lists_of


def read_shown(path: Path) -> Learned:
    """Tells on standard error how many events were passed over.

    Raises:
        CorpusError: a line is no event, or no list was shown.
    """
    found = lists_of(_events(path))
    passed_over = (
        f"{found.skipped} without a suggestion_token that this version reads, {found.without_list} without a query_id"
    )
    if not found.lists:
        raise CorpusError(
            f"{path}: no suggestion_shown event to learn from ({passed_over}); put the token of each suggestion into "
            "attributes of its events, and the suggestions_id of its list into query_id"
        )
    if found.skipped or found.without_list:
        progress_console.print(f"{path}: events passed over: {passed_over}", style="yellow", markup=False)
    return found


def _events(path: Path) -> Iterator[InteractionEvent]:
    for line in read_json_lines(path):
        try:
            yield event_of_json(json.dumps(line.fields).encode())
        except InvalidRecordError as error:
            raise CorpusError(f"{path}, line {line.number}, field {error}") from error
