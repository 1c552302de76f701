"""One batch of log records: which are events, and which are dead letters with a reason.

Events of programs that play users are neither: they are read, and pass without a trace, unless they are asked for.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from attune.knowledge_store.model import Interaction
from attune.services.runtime.dead_letters import dead_letter
from attune.services.runtime.eventlog.port import Entry, Record
from attune.services.runtime.events import has_a_time, logged_at, to_interaction
from attune.services.runtime.origins import is_simulated
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.records.refusal import InvalidRecordError
from attune.services.runtime.validation import Validation

_ANY = Admission()
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Batch:
    """The records of a poll, sorted out."""

    interactions: list[Interaction] = field(default_factory=list)
    dead_letters: list[Entry] = field(default_factory=list)
    dead_since: list[datetime] = field(default_factory=list)
    """When the log took the records of the dead letters, one by one."""
    reasons: Counter[str] = field(default_factory=Counter)
    """How many dead letters there are of each reason."""


def sort_out(records: Sequence[Record], validation: Validation, admission: Admission = _ANY) -> Batch:
    """Make each record an interaction or a dead letter, whatever it holds; or nothing, where it is simulated."""
    batch = Batch()
    for record in records:
        try:
            event = admission.event(record, validation)
            if admission.learn_simulated or not is_simulated(event):
                batch.interactions.append(to_interaction(event, logged_at(record)))
        except InvalidRecordError as error:
            batch.dead_letters.append(dead_letter(record, error))
            batch.dead_since.append(taken_at(record))
            batch.reasons[error.reason] += 1
    return batch


def taken_at(record: Record) -> datetime:
    """When the log took a record; long ago where that cannot be told, so that it is from before any forgetting."""
    return logged_at(record) if has_a_time(record) else _LONG_AGO
