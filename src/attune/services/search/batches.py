"""Documents on their way into the index: some at a time, and what became of all."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from attune.services.runtime.errors import FieldViolation
from attune.services.search.index.port import Document, Version
from attune.services.search.notices import GeneralistCount

BATCH = 64
"""As many documents are written at once."""
_MOST_BYTES = 4 << 20
REPORTED = 100


@dataclass(frozen=True, slots=True)
class Rejected:
    """A document that was refused."""

    index: int
    document_id: str
    violation: FieldViolation


@dataclass(slots=True)
class Report:
    """What became of a stream of documents."""

    generalist: GeneralistCount
    spaces: Mapping[str, str]
    """The key of the space that each known domain's expert embeds in."""
    most_listed: int = REPORTED
    """So many refusals are kept, at most; all are counted."""
    indexed: int = 0
    unchanged: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    rejected_count: int = 0

    def space(self, document: Document) -> str:
        """Where a document is embedded."""
        return self.spaces.get(document.domain, "")

    def reject(self, place: int, document_id: str, violation: FieldViolation) -> None:
        """Count a refusal; keep the first ones."""
        self.rejected_count += 1
        if len(self.rejected) < self.most_listed:
            self.rejected.append(Rejected(place, document_id, violation))


@dataclass(frozen=True, slots=True)
class Placed:
    """A document, its place in the stream, and where it is from the log, its version."""

    place: int
    document: Document
    version: Version | None = None


@dataclass(slots=True)
class Batch:
    """Documents of a stream by id. Of two with one id the later one counts."""

    documents: dict[str, Placed] = field(default_factory=dict)
    size: int = 0

    def add(self, placed: Placed, size: int) -> None:
        """Take one more, of so many bytes."""
        self.documents[placed.document.id] = placed
        self.size += size

    @property
    def full(self) -> bool:
        """Whether it is to be written now."""
        return len(self.documents) >= BATCH or self.size >= _MOST_BYTES
