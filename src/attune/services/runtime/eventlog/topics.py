"""The table of attune's topics: what each must keep. An engine that forgets by itself is set up by it.

attune.interactions.v1      what users did: for as long as its operator wants
attune.interactions.v1.dlq  dead letters: two weeks to look at them
attune.forgets.v1           tombstones of users: for ever, the newest of a user
attune.consents.v1          all that a user allows: for ever, the newest of a user
attune.objects.v1           what a document is about: for ever, the newest of a document
attune.removals.v1          entities and suggestions that users removed: for ever, each record, until it is redacted
attune.documents.v1         documents for the index: for ever, the newest of a document
attune.documents.v1.dlq     dead letters: two weeks to look at them
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from attune.services.runtime.consents import CONSENTS_TOPIC
from attune.services.runtime.documents import DOCUMENT_DEAD_LETTER_TOPIC, DOCUMENTS_TOPIC
from attune.services.runtime.eventlog.framing import MAX_ENTRY_BYTES
from attune.services.runtime.events import DEAD_LETTER_TOPIC, TOPIC
from attune.services.runtime.objects import OBJECTS_TOPIC
from attune.services.runtime.removals import FORGETS_TOPIC, REMOVALS_TOPIC

DEAD_LETTERS_KEPT = timedelta(days=14)
_DEAD_LETTER_HEADERS = 256 * 1024  # a dead letter is the largest record there is, and says why besides


class Keeps(Enum):
    """What of a topic is needed."""

    FOR_A_TIME = "everything, for a time"
    NEWEST_OF_KEY = "the newest record of a key, for ever"
    EVERY_RECORD = "every record, until its key is redacted"


@dataclass(frozen=True, slots=True)
class Topic:
    """A row of the table."""

    name: str
    keeps: Keeps
    kept_for: timedelta | None = None
    """How long, where it is not the operator's choice."""
    is_split: bool = False
    """Whether it needs more than one partition: for many workers, or since a redaction reads the key's partition."""
    most_bytes: int = MAX_ENTRY_BYTES
    """The largest entry, in bytes of key, value and headers."""


def _dead_letters(name: str) -> Topic:
    most_bytes = MAX_ENTRY_BYTES + _DEAD_LETTER_HEADERS
    return Topic(name, Keeps.FOR_A_TIME, DEAD_LETTERS_KEPT, is_split=True, most_bytes=most_bytes)


TOPICS: Mapping[str, Topic] = {
    each.name: each
    for each in (
        Topic(TOPIC, Keeps.FOR_A_TIME, is_split=True),
        _dead_letters(DEAD_LETTER_TOPIC),
        Topic(FORGETS_TOPIC, Keeps.NEWEST_OF_KEY),
        Topic(CONSENTS_TOPIC, Keeps.NEWEST_OF_KEY),
        Topic(OBJECTS_TOPIC, Keeps.NEWEST_OF_KEY),
        Topic(REMOVALS_TOPIC, Keeps.EVERY_RECORD, is_split=True),
        Topic(DOCUMENTS_TOPIC, Keeps.NEWEST_OF_KEY, is_split=True),
        _dead_letters(DOCUMENT_DEAD_LETTER_TOPIC),
    )
}
