"""Hits that were shown and clicked, by a file of events or by the event log."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from attune.events.v1.events_pb2 import InteractionEvent
from attune.services.cli.corpora.jsonlines import read_json_lines
from attune.services.cli.corpora.model import CorpusError
from attune.services.cli.output import progress_console
from attune.services.runtime.config import Config
from attune.services.runtime.events import TOPIC
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.records.json_text import event_of_json
from attune.services.runtime.records.refusal import InvalidRecordError
from attune.services.runtime.state_topics import every_record
from attune.services.runtime.stores import open_event_log
from attune.services.runtime.validation import Validation
from attune.services.search.ranking.shown import Read, lists_of


def read_hits(path: Path | None, *, simulated: bool = False) -> Read:
    """Of a file, or of the event log that is configured. Tells on standard error how many events were passed over.

    Raises:
        CorpusError: a line is no event, or no hit was shown.
    """
    place = str(path) if path else "the event log"
    found = lists_of(_events_of_file(path) if path else _events_of_log(), simulated=simulated)
    passed_over = (
        f"{found.skipped} without a search_token that this version reads, {found.without_list} without a query_id, "
        f"{found.simulated} simulated"
    )
    if not found.lists:
        raise CorpusError(
            f"{place}: no hit that was shown ({passed_over}); put the token of each hit into attributes of its "
            "impression and click events, as search_token, and the query_id of its search into query_id"
        )
    if found.skipped or found.without_list or found.simulated:
        progress_console.print(f"{place}: events passed over: {passed_over}", style="yellow", markup=False)
    return found


def _events_of_file(path: Path) -> Iterator[InteractionEvent]:
    for line in read_json_lines(path):
        try:
            yield event_of_json(json.dumps(line.fields).encode())
        except InvalidRecordError as error:
            raise CorpusError(f"{path}, line {line.number}, field {error}") from error


def _events_of_log() -> Iterator[InteractionEvent]:
    """What is no valid event is passed over: the ingest worker has set it aside."""
    config = Config()
    admission, validation = Admission.of(config), Validation()
    with closing(open_event_log(config)) as event_log:
        for record in every_record(event_log, TOPIC):
            try:
                yield admission.event(record, validation)
            except InvalidRecordError:
                continue
