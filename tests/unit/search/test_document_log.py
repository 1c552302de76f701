"""Documents from the log: each version in its order, nothing lost where a service is away, bad ones set aside."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import grpc
import numpy as np
import pytest
from tests.unit.search.conftest import DIMENSION, Services

from attune.search.v1.search_pb2 import Document as Message
from attune.services.runtime.call import current_call
from attune.services.runtime.consuming.backlog import Backlog, BatchLimits
from attune.services.runtime.consuming.dead_letter_limit import DeadLetterLimit, TooManyDeadLettersError
from attune.services.runtime.consuming.worker import PartitionWorker
from attune.services.runtime.dead_letters import dead_letters
from attune.services.runtime.documents import (
    DOCUMENT_DEAD_LETTER_TOPIC,
    DOCUMENTS_TOPIC,
    deletion_entry,
    put_entry,
)
from attune.services.runtime.eventlog.consumer import Source
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.security.role_tokens import RoleTokens
from attune.services.search.document_log.applying import DocumentApplier, ServiceAwayError
from attune.services.search.document_log.metrics import DocumentLogMetrics
from attune.services.search.document_log.settings import DocumentLogSettings
from attune.services.search.document_log.worker import document_worker
from attune.services.search.gateway import Read
from attune.services.search.index.generations import LogBehindError
from attune.services.search.index.port import Document, Index, IndexedDocument, Target, Version
from attune.services.search.indexing import Indexer, LinksUnavailableError

NOW = datetime(2026, 11, 3, tzinfo=UTC)
AT_ONCE = BatchLimits(wait_s=0)


class Remembering(Services):
    """Services that remember what was linked last of each document, and can be away or do something meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.linked: dict[str, str | None] = {}
        self.away: grpc.StatusCode | None = None
        self.tenants: list[tuple[str, tuple[tuple[str, str], ...]]] = []
        self.meanwhile: dict[str, Callable[[], None]] = {}
        """What happens, once, before "linking" or "embedding"."""

    async def link(self, documents: Sequence[Document]) -> list[tuple[str, ...]]:
        self.meanwhile.pop("linking", lambda: None)()
        self.tenants.append((current_call().tenant, current_call().onward))
        self.linked |= {each.id: each.text for each in documents}
        return [()] * len(documents)

    async def unlink(self, document_ids: Sequence[str]) -> bool:
        if self.knowledge_is_up:
            self.linked |= dict.fromkeys(document_ids)
        return await super().unlink(document_ids)

    async def passage_vectors(self, documents: Sequence[Document], experts: object) -> list[Read | str]:
        self.meanwhile.pop("embedding", lambda: None)()
        if self.away:
            raise grpc.aio.AioRpcError(self.away, grpc.aio.Metadata(), grpc.aio.Metadata(), details="too much")
        return await super().passage_vectors(documents, experts)


@pytest.fixture
def remembering() -> Remembering:
    return Remembering()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LocalEventLog]:
    opened = LocalEventLog(tmp_path / "events")
    yield opened
    opened.close()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


class Reading:
    """A worker over the index, and what is in the log and in the index."""

    def __init__(self, log: LocalEventLog, index: Index, services: Services, metrics: Metrics) -> None:
        self.log = log
        self.index = index
        self.services = services
        self.metrics = DocumentLogMetrics(metrics)

    def worker(self, settings: DocumentLogSettings | None = None) -> PartitionWorker:
        indexer = Indexer(self.index, self.services)  # type: ignore[arg-type]
        settings = settings or DocumentLogSettings(AT_ONCE)
        return document_worker(Source.local(self.log), self.index, indexer, lambda: NOW, self.metrics, settings)

    def append(self, *entries: Entry) -> None:
        self.log.append(DOCUMENTS_TOPIC, entries, NOW)

    async def read(self, worker: PartitionWorker | None = None) -> int:
        """What a new worker applies in a step."""
        return await asyncio.to_thread((worker or self.worker()).step, 0)

    def text(self, document_id: str, tenant: str = "acme") -> str | None:
        found = self.index.get(tenant, document_id)
        return None if found is None else found.text


@pytest.fixture
def reading(log: LocalEventLog, small_index: Index, remembering: Remembering, metrics: Metrics) -> Reading:
    return Reading(log, small_index, remembering, metrics)


def put(document_id: str, text: str, tenant: str = "acme", **fields: str) -> Entry:
    return put_entry(tenant, Message(document_id=document_id, text=text, **fields))


def delete(document_id: str) -> Entry:
    return deletion_entry("acme", document_id)


async def test_documents_are_put_replaced_and_deleted_in_their_order(reading: Reading) -> None:
    reading.append(put("1", "one"), put("2", "two"), put("1", "one, better"), put("3", "three"))
    assert await reading.read() == 4
    assert [reading.text(each) for each in "123"] == ["one, better", "two", "three"]
    assert reading.services.embedded == ["1", "2", "3"]  # the newest of each alone
    reading.append(delete("2"), put("3", "gone"), delete("3"), put("3", "back"))
    await reading.read()
    assert [reading.text(each) for each in "123"] == ["one, better", None, "back"]
    assert reading.services.linked == {"1": "one, better", "2": None, "3": "back"}


async def test_a_new_worker_goes_on_where_the_index_says(reading: Reading) -> None:
    reading.append(put("1", "one"))
    await reading.read()
    reading.append(put("2", "two"))
    assert await reading.read() == 1
    assert reading.index.log_offset(0) == 2


async def test_what_is_applied_again_embeds_nothing_and_changes_nothing(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a crash between the documents and the offset."""
    reading.append(put("1", "one"), delete("2"), put("3", "three"))
    with monkeypatch.context() as patch:
        patch.setattr(reading.index, "move_log_offset", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
        with pytest.raises(OSError, match="full"):
            await reading.read()
    assert reading.text("1") == "one"
    assert await reading.read() == 3
    assert reading.services.embedded == ["1", "3"]
    assert reading.index.log_offset(0) == 3


async def test_an_unchanged_document_is_not_embedded_again_but_is_of_the_newer_record(reading: Reading) -> None:
    reading.append(put("1", "one"))
    await reading.read()
    reading.append(put("1", "one"))
    await reading.read()
    assert reading.services.embedded == ["1"]
    assert reading.index.versions("acme", ["1"])["1"].offset == 1


@pytest.mark.parametrize("before", ["linking", "embedding"])
async def test_a_worker_that_wakes_up_late_overwrites_nothing_newer(
    reading: Reading, remembering: Remembering, before: str
) -> None:
    """It has read an old version, and sleeps before it goes on: another worker writes what follows."""
    reading.append(put("1", "old"), put("2", "old"))
    sleeper = reading.worker()

    def another_worker_goes_on() -> None:
        tenant, vector = "acme", np.ones((1, DIMENSION), np.float32)
        newer = IndexedDocument.of(Document("1", "", "new", ""), version=Version(0, 2, 0))
        reading.index.upsert(tenant, [newer], vector)
        reading.index.retire(tenant, {"2": Version(0, 3, 0)})
        reading.index.move_log_offset(0, 4)
        remembering.linked |= {"1": "new", "2": None}

    remembering.meanwhile[before] = another_worker_goes_on
    reading.append(put("1", "new"), delete("2"))
    backlog = Backlog(0, 0)
    backlog.take(reading.log.poll(DOCUMENTS_TOPIC, 0, 0, 2, 1 << 20, 0), 0.0)
    await asyncio.to_thread(applier_of(sleeper).apply, 0, backlog, 2)
    assert [reading.text("1"), reading.text("2")] == ["new", None]
    assert remembering.linked == {"1": "new", "2": None}
    assert reading.index.log_offset(0) == 4


def applier_of(worker: PartitionWorker) -> DocumentApplier:
    applier = worker._applier
    assert isinstance(applier, DocumentApplier)
    return applier


@pytest.mark.parametrize("code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE])
async def test_documents_wait_while_embedding_is_away_and_no_more_are_read(
    reading: Reading, remembering: Remembering, code: grpc.StatusCode
) -> None:
    reading.append(*(put(str(number), "text") for number in range(10)))
    worker = reading.worker(DocumentLogSettings(BatchLimits(records=4, wait_s=0)))
    remembering.away = code
    for _ in range(3):
        with pytest.raises(ServiceAwayError, match=code.name):
            await reading.read(worker)
    held = dict(worker._backlogs.held())[0]
    assert len(held.records) == 10  # one poll, and none after it
    reading.append(*(put(str(number), "text") for number in range(10, 15)))
    with pytest.raises(ServiceAwayError):
        await reading.read(worker)
    assert len(held.records) == 10
    assert reading.index.log_offset(0) == 0
    remembering.away = None
    while await reading.read(worker):
        pass
    assert reading.index.count("acme") == 15


async def test_a_deletion_waits_for_the_knowledge_service(reading: Reading) -> None:
    reading.append(put("1", "one"))
    await reading.read()
    reading.append(delete("1"))
    reading.services.knowledge_is_up = False
    with pytest.raises(LinksUnavailableError):
        await reading.read()
    assert reading.text("1") == "one"
    reading.services.knowledge_is_up = True
    await reading.read()
    assert reading.text("1") is None


async def test_bad_documents_are_set_aside_with_reason_and_position_and_the_others_indexed(reading: Reading) -> None:
    reading.services.refused = frozenset({"refused"})
    good = put("good", "text")
    reading.append(
        Entry(b"acme/1", b"\xff\xff"),
        good,
        put("2", " "),
        put("refused", "text"),
        put("4", "text", url="u" * 3000),
        Entry(b"acme/other", good.value, good.headers),
        Entry(b"acme/none", b""),
    )
    assert await reading.read() == 7
    assert reading.index.count("acme") == 1
    letters = {each.position.offset: (each.code, each.sentence) for each in dead_letters(reading.log, topic())}
    assert {offset: code for offset, (code, _) in letters.items()} == {
        0: "malformed",
        2: "invalid",
        3: "invalid",
        4: "invalid",
        5: "conflict",
        6: "invalid",
    }
    assert letters[2][1] == "text: is empty, and so is the title: there is nothing to search"
    assert letters[3][1] == "put.text: cannot be embedded"
    assert letters[4][1].startswith("put.url: ")
    assert letters[6][1].startswith("operation: ")


def topic() -> str:
    return DOCUMENT_DEAD_LETTER_TOPIC


async def test_too_many_bad_ones_stop_it_before_the_offset_moves(reading: Reading) -> None:
    reading.append(*(Entry(b"acme/1", b"\xff") for _ in range(20)))
    limit = DeadLetterLimit(window=10, min_records=10, ratio=0.5, topic=DOCUMENTS_TOPIC)
    with pytest.raises(TooManyDeadLettersError, match=f"--topic {DOCUMENTS_TOPIC}"):
        await reading.read(reading.worker(DocumentLogSettings(AT_ONCE, dead_letters=limit)))
    assert reading.index.log_offset(0) == 0
    assert list(dead_letters(reading.log, topic())) == []


async def test_other_roles_are_asked_for_the_tenant_of_the_record(reading: Reading, remembering: Remembering) -> None:
    tokens = RoleTokens(["role-secret"])
    settings = DocumentLogSettings(AT_ONCE, Admission(frozenset({"acme", "other"})), role_tokens=tokens)
    reading.append(put("1", "one"), put("1", "another's", tenant="other"), put("1", "nobody's", tenant="unknown"))
    await reading.read(reading.worker(settings))
    assert [reading.text("1"), reading.text("1", "other")] == ["one", "another's"]
    assert set(remembering.tenants) == {("acme", tokens.metadata("acme")), ("other", tokens.metadata("other"))}
    assert [each.code for each in dead_letters(reading.log, topic())] == ["unknown_tenant"]


async def test_what_became_of_records_is_counted(reading: Reading, metrics: Metrics) -> None:
    reading.append(put("1", "one"), put("1", "one, better"), delete("2"), Entry(b"acme/1", b"\xff"))
    await reading.read()

    def counted(outcome: str) -> float | None:
        return metrics.registry.get_sample_value("attune_document_log_records_total", {"outcome": outcome})

    outcomes = ("indexed", "superseded", "deleted", "dead_letter")
    assert [counted(outcome) for outcome in outcomes] == [1, 1, 1, 1]
    assert metrics.registry.get_sample_value("attune_document_log_lag_records", {"partition": "0"}) == 0


async def test_a_new_generation_is_read_from_the_logs_beginning_by_the_worker_at_work(reading: Reading) -> None:
    worker = reading.worker()
    reading.append(put("1", "one"), put("2", "two"), delete("2"))
    await reading.read(worker)
    building = reading.index.create_generation()
    with pytest.raises(LogBehindError, match="partition 0 to 0 of 3"):
        reading.index.activate_generation(building.name)
    put_before(reading.index.feed(building.name), "2", "of a file")
    reading.append(put("3", "three"))
    while await reading.read(worker):
        pass
    assert [reading.text(each) for each in "123"] == ["one", None, "three"]
    reading.index.activate_generation(building.name)
    assert [reading.text(each) for each in "123"] == ["one", None, "three"]
    assert reading.index.count("acme") == 2
    reading.append(put("2", "back"))
    while await reading.read(worker):
        pass
    assert reading.text("2") == "back"
    worker.stop()


async def test_a_document_with_a_field_that_is_not_declared_is_a_dead_letter(reading: Reading) -> None:
    message = Message(document_id="1", text="one")
    message.fields["colour"].keyword = "blue"
    reading.append(put_entry("acme", message), put("2", "two"))
    await reading.read()
    (letter,) = dead_letters(reading.log, DOCUMENT_DEAD_LETTER_TOPIC)
    assert "put.fields[colour]: no field 'colour' is declared" in str(letter)
    assert reading.text("2") == "two"


def put_before(into: Target, document_id: str, text: str) -> None:
    document = IndexedDocument.of(Document(document_id, "", text, ""))
    into.upsert("acme", [document], np.ones((1, DIMENSION), np.float32))
