"""Who may come in: records of a bearable size, of known tenants, with events or documents that keep the rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from attune.events.v1.events_pb2 import InteractionEvent
from attune.search.v1.documents_pb2 import DocumentRecord
from attune.services.runtime.config import Config
from attune.services.runtime.documents import nothing_to_search
from attune.services.runtime.errors import FieldViolation
from attune.services.runtime.eventlog.framing import MAX_ENTRY_BYTES, entry_bytes
from attune.services.runtime.eventlog.port import Record
from attune.services.runtime.events import has_a_time, logged_at, wrong_time
from attune.services.runtime.plain_events import is_plain
from attune.services.runtime.records.decoding import decode
from attune.services.runtime.records.document_decoding import decode_document
from attune.services.runtime.records.refusal import InvalidRecordError, Reason
from attune.services.runtime.security.authenticator import known_tenants
from attune.services.runtime.validation import Validation


@dataclass(frozen=True, slots=True)
class Admission:
    """What must hold of a record beside the rules in the .proto."""

    tenants: frozenset[str] | None = None
    """The tenants there are; None: any."""
    max_event_bytes: int = MAX_ENTRY_BYTES
    """The most that key, value and headers of a record may have together."""
    learn_simulated: bool = False
    """Whether the store learns from programs that play users, too."""

    @classmethod
    def of(cls, config: Config) -> Self:
        """As configured: where tokens in a file are all the credentials there are, the tenants are theirs.

        Raises:
            ConfigError: the token file cannot be read.
        """
        return cls(known_tenants(config), config.max_event_bytes, config.learn_simulated)

    def event(self, record: Record, validation: Validation) -> InteractionEvent:
        """The valid event of a record.

        Its time is held against the log's clock and not this process's: a replay must judge alike.

        Raises:
            InvalidRecordError: there is none.
        """
        self._require_frame(record)
        event = decode(record)
        ahead = wrong_time(event, logged_at(record))
        broken = [] if is_plain(event) else validation.violations(event)
        _require_none(broken or ([ahead] if ahead else []))
        self._require_tenant(event.tenant_id)
        return event

    def document(self, record: Record, validation: Validation) -> DocumentRecord:
        """The valid change of a document that a record holds.

        Raises:
            InvalidRecordError: there is none.
        """
        self._require_frame(record)
        change = decode_document(record)
        nothing = nothing_to_search(change.put) if change.HasField("put") else None
        _require_none(validation.violations(change) or ([nothing] if nothing else []))
        self._require_tenant(change.tenant_id)
        return change

    def _require_frame(self, record: Record) -> None:
        if entry_bytes(record.key, record.value, record.headers) > self.max_event_bytes:
            raise InvalidRecordError(
                Reason.TOO_LARGE,
                f"key, value and headers have more than ATTUNE_MAX_EVENT_BYTES, {self.max_event_bytes}",
            )
        if not has_a_time(record):
            raise InvalidRecordError(Reason.MALFORMED, "the record's timestamp is outside the years 1970 to 9999")

    def _require_tenant(self, tenant: str) -> None:
        if not tenant:
            raise InvalidRecordError(Reason.INVALID, "tenant_id: value is required in the log, by the key or the event")
        if self.tenants is not None and tenant not in self.tenants:
            raise InvalidRecordError(Reason.UNKNOWN_TENANT, "tenant_id: is no tenant of ATTUNE_TOKENS_FILE")


def _require_none(violations: Sequence[FieldViolation]) -> None:
    if violations:
        first = violations[0]
        field = first.field.partition("[")[0]  # without the keys of attributes: they are content
        raise InvalidRecordError(Reason.INVALID, f"{field}: {first.description}")
