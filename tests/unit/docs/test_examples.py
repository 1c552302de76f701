"""The examples do what they say, against a running system."""

import importlib.util
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
from tests.e2e.conftest import wait_until
from tests.unit.docs.conftest import ROOT, blocks

from attune.events.v1.events_pb2 import EventType, InteractionEvent
from attune.knowledge_store.catalog import Catalog
from attune.search.v1.search_pb2 import Document
from attune.services.cli.background import running_system
from attune.services.cli.events.reading import read_events
from attune.services.cli.system import System
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config
from attune.services.runtime.logs import configure_logs
from attune.services.runtime.validation import Validation

EXAMPLES = ROOT / "examples"
_PORTS = dict.fromkeys(
    ("embedding_port", "knowledge_port", "ingest_port", "suggestion_port", "search_port", "metrics_port"), 0
)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    configure_logs("error")
    directory = tmp_path_factory.mktemp("examples")
    config = Config(data_dir=directory, catalog_path=EXAMPLES / "catalog.jsonl", drain_s=1, **_PORTS)  # type: ignore[arg-type]
    with running_system(config, system_clock) as running:
        yield running


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    with Client(Addresses.of(system.config), timeout_s=30) as made:
        yield made


@pytest.fixture
def python_client() -> ModuleType:
    spec = importlib.util.spec_from_file_location("python_client", EXAMPLES / "python_client.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def example_events() -> list[InteractionEvent]:
    return list(read_events(str(EXAMPLES / "events.jsonl"), datetime.now(UTC)))


def test_importing_the_example_does_nothing(python_client: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(python_client.main)
    assert capsys.readouterr().out == ""
    assert "python_client" not in sys.modules


def test_the_example_ranks_for_each_of_two_readers(
    python_client: ModuleType, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    assert client.index(python_client.documents()).rejected_count == 0
    for _ in range(2):  # run twice, nothing is counted twice
        python_client.record(client, datetime.now(UTC))
    assert client.profile("reader-a").events == 2
    winners = {}
    for user in ("", *python_client.READ):
        python_client.show(client, user)
        winners[user] = capsys.readouterr().out.splitlines()[1].split()[1]
    assert winners["reader-a"] == "asyncio.gather"
    assert winners["reader-b"] == "multiprocessing.Pool"


def test_the_readmes_python_runs(readme: str, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = Addresses.of(system.config)
    monkeypatch.setattr("attune.services.client.Client", lambda: Client(addresses))
    for code in blocks(readme, "python"):
        exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own page


def test_the_example_events_are_valid_and_show_every_kind_but_one(example_events: list[InteractionEvent]) -> None:
    assert [Validation().violations(event) for event in example_events] == [[]] * len(example_events)
    assert len({event.event_id for event in example_events}) == len(example_events)
    unused = set(EventType.values()) - {event.type for event in example_events}
    assert {EventType.Name(each) for each in unused} == {"EVENT_TYPE_UNSPECIFIED", "EVENT_TYPE_SUGGESTION_SHOWN"}


def test_the_example_events_weigh_something(client: Client, example_events: list[InteractionEvent]) -> None:
    documents = [json.loads(line) for line in (EXAMPLES / "documents.jsonl").read_text(encoding="utf-8").splitlines()]
    client.index(Document(document_id=each["_id"], title=each["title"], text=each["text"]) for each in documents)
    answer = client.record(example_events)
    wait_until(lambda: client.profile("ada").applied_offset >= answer.log_end_offset)
    assert max(each.evidence.weight for each in client.entities("ada")) > 0.5


def test_the_readmes_event_is_valid(readme: str, tmp_path: Path) -> None:
    for number, lines in enumerate(blocks(readme, "json")):
        (tmp_path / f"{number}.jsonl").write_text(lines)
        for event in read_events(str(tmp_path / f"{number}.jsonl"), datetime.now(UTC)):
            assert Validation().violations(event) == []


def test_the_example_events_name_documents_and_the_catalog_links_within_itself(
    example_events: list[InteractionEvent],
) -> None:
    lines = (EXAMPLES / "documents.jsonl").read_text(encoding="utf-8").splitlines()
    documents = {json.loads(line)["_id"] for line in lines}
    named = {each.object_id for each in example_events}
    assert named - {""} <= documents
    catalog = Catalog.load(EXAMPLES / "catalog.jsonl")
    assert catalog.warnings == ()
    assert all(entity_id in catalog for each in example_events for entity_id in each.entity_ids)
