"""Documents that arrive in the log: searchable, replaced, deleted again, whatever is killed meanwhile."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.e2e.conftest import wait_until
from tests.e2e.material import QUERY, TEXTS, catalog_lines
from tests.e2e.process import Running, attune, environment, up

from attune.search.v1.search_pb2 import Document, GetDocumentRequest
from attune.search.v1.search_pb2_grpc import SearchServiceStub
from attune.services.client import Client
from attune.services.runtime.dead_letters import dead_letters
from attune.services.runtime.documents import (
    DOCUMENT_DEAD_LETTER_TOPIC,
    DOCUMENTS_TOPIC,
    deletion_entry,
    put_entry,
)
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry

pytestmark = pytest.mark.e2e

READING = {"documents_from_log": True, "documents_batch_wait_ms": 20, "documents_batch_records": 32}
MANY = 128
"""Four batches: the process is killed while some are applied and others are not."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    (made / "catalog.jsonl").write_text(catalog_lines())
    return made


@pytest.fixture
def log(directory: Path) -> Iterator[LocalEventLog]:
    opened = LocalEventLog(directory / "events")
    yield opened
    opened.close()


def client_of(running: Running) -> Client:
    return Client(running.addresses, timeout_s=60)


def append(log: LocalEventLog, *entries: Entry) -> None:
    log.append(DOCUMENTS_TOPIC, entries, datetime.now(UTC))


def numbered(number: int, text: str) -> Entry:
    return put_entry("default", Document(document_id=f"n-{number}", title="number", text=text, domain="numbers"))


def deletion(number: int) -> Entry:
    return deletion_entry("default", f"n-{number}")


def text(running: Running, document_id: str) -> str | None:
    """What the index has; None where it has no such document."""
    with grpc.insecure_channel(running.addresses.search) as channel:
        return text_at(SearchServiceStub(channel), document_id)


def text_at(stub: SearchServiceStub, document_id: str) -> str | None:
    try:
        return str(stub.GetDocument(GetDocumentRequest(document_id=document_id), timeout=10).document.text)
    except grpc.RpcError as error:
        code = getattr(error, "code", lambda: None)()
        assert code is grpc.StatusCode.NOT_FOUND, code
        return None


def texts(running: Running, numbers: Iterable[int]) -> dict[int, str | None]:
    with grpc.insecure_channel(running.addresses.search) as channel:
        stub = SearchServiceStub(channel)
        return {number: text_at(stub, f"n-{number}") for number in numbers}


def health(running: Running, name: str) -> int:
    with grpc.insecure_channel(running.announced["roles"]["search"]) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        return int(stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10).status)


def test_what_is_sent_to_the_log_can_be_searched_and_deleted_again(directory: Path, log: LocalEventLog) -> None:
    corpus = directory / "asyncio.jsonl"
    lines = [{"_id": key, "title": key, "text": text} for key, text in TEXTS.items()]
    lines.append({"_id": "empty", "title": " ", "text": ""})
    corpus.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with up(directory, **READING) as running, client_of(running) as client:
        sent = attune("index", str(corpus), "--to", "log", "--json", env=environment(directory))
        assert sent.returncode == 0, sent.stderr
        answer = json.loads(sent.stdout)
        assert (answer["accepted"], answer["rejected_count"]) == (len(TEXTS), 1)
        assert answer["rejected"][0]["document_id"] == "empty"
        wait_until(lambda: "asyncio.gather" in found(client))
        assert text(running, "asyncio.gather") == TEXTS["asyncio.gather"]
        append(log, Entry(b"default/bad", b"\xff"), deletion_entry("default", "asyncio.gather"))
        wait_until(lambda: "asyncio.gather" not in found(client))
        assert found(client)
        wait_until(lambda: bool(list(dead_letters(log, DOCUMENT_DEAD_LETTER_TOPIC))))
        assert health(running, DOCUMENTS_TOPIC) == health_pb2.HealthCheckResponse.SERVING
    assert [each.code for each in dead_letters(log, DOCUMENT_DEAD_LETTER_TOPIC)] == ["malformed"]
    listed = attune("events", "dlq", "list", "--topic", DOCUMENTS_TOPIC, "--json", env=environment(directory))
    assert json.loads(listed.stdout)["reasons"] == {"malformed": 1}


def found(client: Client) -> list[str]:
    return [hit.document.document_id for hit in client.search(QUERY, page_size=100).hits]


def test_killed_in_the_middle_nothing_is_missing_and_nothing_stale(directory: Path, log: LocalEventLog) -> None:
    with up(directory, **READING) as running, client_of(running) as client:
        append(log, *(numbered(each, "first") for each in range(MANY)))
        wait_until(lambda: len(client.search("number", domains=["numbers"], page_size=100).hits) > 20)
        append(log, *(numbered(each, "second") for each in range(0, MANY, 2)))
        running.kill()
    append(log, *(deletion(each) for each in range(0, MANY, 3)), numbered(0, "third"))
    with up(directory, **READING) as running:
        wait_until(lambda: text(running, "n-2") == "second")
        running.kill()
    with up(directory, **READING) as running:
        append(log, numbered(MANY, "last"))
        wait_until(lambda: text(running, f"n-{MANY}") == "last")
        assert texts(running, range(MANY)) == {each: "third" if not each else expected(each) for each in range(MANY)}
    assert not log.end_offset(DOCUMENT_DEAD_LETTER_TOPIC, 0)


def expected(number: int) -> str | None:
    """Of all but the first: every other one was replaced, then every third deleted."""
    return None if number % 3 == 0 else "first" if number % 2 else "second"
