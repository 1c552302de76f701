"""From a stretch of one partition to the index. There is no transaction over documents and offset, and none is needed:
the offset moves once the documents are durable, and what is then applied again changes nothing, by its version.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

import grpc
import structlog

from attune.services.runtime.call import Call, enter_call
from attune.services.runtime.clock import Clock
from attune.services.runtime.consuming.backlog import Backlog
from attune.services.runtime.dead_letters import dead_letter
from attune.services.runtime.documents import DOCUMENT_DEAD_LETTER_TOPIC, DOCUMENTS_TOPIC
from attune.services.runtime.eventlog.port import LogWriter, Record
from attune.services.runtime.events import logged_at
from attune.services.runtime.records.refusal import InvalidRecordError, Reason
from attune.services.runtime.security.role_tokens import RoleTokens
from attune.services.runtime.validation import Validation
from attune.services.search.document_log.batch import Batch, Change, sort_out
from attune.services.search.document_log.metrics import DocumentLogMetrics
from attune.services.search.document_log.settings import DocumentLogSettings
from attune.services.search.index.port import Index
from attune.services.search.indexing import Indexer

_log = structlog.get_logger("attune.search.documents")
_ATTEMPT_S = 120.0
"""Less than what a group waits for a member that does not poll."""

Refused = tuple[Record, InvalidRecordError]


class ServiceAwayError(Exception):
    """A service that indexing needs is down or has too much to do."""


class DocumentApplier:
    """Applies backlogs from the worker's thread; asks the other services on the loop of the role."""

    def __init__(
        self,
        log: LogWriter,
        index: Index,
        indexer: Indexer,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        metrics: DocumentLogMetrics,
        settings: DocumentLogSettings,
    ) -> None:
        self._event_log = log
        self._index = index
        self._indexer = indexer
        self._loop = loop
        self._clock = clock
        self._metrics = metrics
        self._settings = settings
        self._validation = Validation()

    def apply(self, partition: int, backlog: Backlog, to: int) -> int:
        """See `Applier.apply`. Raises ServiceAwayError where embedding or knowledge is away."""
        records = backlog.records
        batch = sort_out(records, self._validation, self._settings.admission)
        outcomes = Counter(superseded=batch.superseded)
        for tenant, changes in batch.by_tenant():
            indexing = self._index_for(tenant, changes, batch, outcomes)
            asyncio.run_coroutine_threadsafe(indexing, self._loop).result()
        self._set_aside(backlog, batch.refused)
        self._index.move_log_offset(partition, to)
        backlog.applied_to(to)
        self._count(outcomes, batch, records)
        return len(records)

    async def _index_for(self, tenant: str, changes: Sequence[Change], batch: Batch, outcomes: Counter[str]) -> None:
        enter_call(_call(tenant, self._settings.role_tokens))
        try:
            await self._write(tenant, changes, batch, outcomes)
        except grpc.aio.AioRpcError as error:
            raise ServiceAwayError(
                f"documents wait, since a service that indexing needs answers {error.code().name}: {error.details()}"
            ) from error

    async def _write(self, tenant: str, changes: Sequence[Change], batch: Batch, outcomes: Counter[str]) -> None:
        ids = [each.document_id for each in changes]
        known = await asyncio.to_thread(self._index.versions, tenant, ids)
        fresh = [each for each in changes if each.version.is_after(known.get(each.document_id))]
        puts = [each for each in fresh if not each.is_deletion]
        deletions = {each.document_id: each.version for each in fresh if each.is_deletion}
        await self._indexer.delete_versions(deletions)
        if puts:
            report = await self._indexer.index_versions([(each.message.put, each.version) for each in puts])
            for each in report.rejected:
                sentence = f"put.{each.violation.field.partition('.')[2]}: {each.violation.description}"
                batch.refused.append((puts[each.index].record, InvalidRecordError(Reason.INVALID, sentence)))
            outcomes.update(indexed=report.indexed, unchanged=report.unchanged)
        outcomes.update(deleted=len(deletions), superseded=len(changes) - len(fresh))

    def _set_aside(self, backlog: Backlog, refused: Sequence[Refused]) -> None:
        """Before the offset moves: a crash in between repeats dead letters, and never loses one."""
        if backlog.set_aside >= backlog.end:
            return
        self._settings.dead_letters.add(len(backlog.records), [error.reason for _, error in refused])
        if refused:
            letters = [dead_letter(record, error) for record, error in refused]
            self._event_log.append(DOCUMENT_DEAD_LETTER_TOPIC, letters, self._clock())
            _log.warning("dead letters", count=len(letters), topic=DOCUMENT_DEAD_LETTER_TOPIC)
        backlog.set_aside = backlog.end

    def _count(self, outcomes: Counter[str], batch: Batch, records: Sequence[Record]) -> None:
        outcomes.update(dead_letter=len(batch.refused))
        for outcome, count in outcomes.items():
            self._metrics.records.labels(outcome).inc(count)
        self._metrics.batch([logged_at(each) for each in records], self._clock())


def _call(tenant: str, role_tokens: RoleTokens) -> Call:
    """Work for a tenant that nobody waits for."""
    return Call(DOCUMENTS_TOPIC, tenant, time.monotonic() + _ATTEMPT_S, role_tokens.metadata(tenant))
