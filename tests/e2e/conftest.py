"""A running system over the small world of material.py: five roles, real gRPC, the real model, files in a directory."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from prometheus_client import generate_latest
from tests.e2e.material import catalog_lines, city_documents, documents
from tests.e2e.said import PLACES, SAID, LogLines, Spans, heard

from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge.v1.knowledge_pb2 import ExportUserResponse
from attune.services.cli import background
from attune.services.cli.background import running_system
from attune.services.cli.system import System
from attune.services.client import Client
from attune.services.client.channels import Addresses, Channels
from attune.services.runtime import tracing
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config
from attune.services.runtime.logs import configure_logs

FREE_PORTS = dict.fromkeys(
    ("embedding_port", "knowledge_port", "ingest_port", "suggestion_port", "search_port", "metrics_port"), 0
)

PATIENT = {"completion_budget_ms": 10_000, "suggestion_budget_ms": 10_000}


def wait_until(condition: Callable[[], bool], within_s: float = 30) -> None:
    """Return as soon as the condition holds; fail where it does not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


def record_visibly(client: Client, events: list[InteractionEvent]) -> None:
    """Send events and wait until the store shows them."""
    answer = client.record(events)
    assert not answer.rejected, answer.rejected
    wait_until(lambda: client.profile("anybody").applied_offset >= answer.log_end_offset)


def exported(client: Client, user: str) -> list[ExportUserResponse]:
    """All that the store holds of a user, without weights: those are as of the moment of asking."""
    records = list(client.export(user))
    for record in records:
        if record.HasField("entity"):
            record.entity.evidence.ClearField("weight")
            record.entity.evidence.ClearField("recent")
    return records


def config_in(directory: Path, **changes: object) -> Config:
    """A configuration whose files are all in `directory`. Nothing hurries: the machine may be busy."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "catalog.jsonl").write_text(catalog_lines())
    settings = FREE_PORTS | PATIENT | changes
    return Config(data_dir=directory, drain_s=1, **settings)  # type: ignore[arg-type]


@contextmanager
def listening(traced: TracerProvider) -> Iterator[None]:
    """Notes what is said inside the `with` block, and where systems that are started in it leave things."""
    opened, start, lines = Channels._opened, background.start_system, LogLines(PLACES)

    async def started(config: Config, *arguments: Any) -> System:
        system = await start(config, *arguments)
        PLACES.directories.add(config.data_dir)
        stop = system.stop

        async def stopped() -> None:
            PLACES.published |= set(generate_latest(system.metrics.registry).decode().splitlines())
            await stop()

        system.stop = stopped  # type: ignore[method-assign]
        return system

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Channels, "_opened", lambda channels, address: heard(opened(channels, address), SAID))
        patch.setattr(background, "start_system", started)
        patch.setattr(tracing, "_tracer", lambda: traced.get_tracer("tests"))
        patch.setattr(structlog, "make_filtering_bound_logger", lines.make_logger)
        patch.setattr(structlog, "configure", lines.configure)
        yield


@pytest.fixture(scope="session")
def looked_through() -> Iterator[TracerProvider]:
    """Takes what is traced; at the end of all tests, nothing that they said is in a wrong place."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Spans(PLACES)))
    yield provider
    provider.shutdown()
    assert PLACES.leaks(SAID) == []


@pytest.fixture(scope="module", autouse=True)
def said_nowhere(looked_through: TracerProvider) -> Iterator[None]:
    """Of a module alone: other tests of this process are no concern of it."""
    with listening(looked_through):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What systems log goes to standard error: none of what was said is in it. A test that failed says why first."""
    report = yield
    if leaked := SAID.in_plain_sight(report.capstderr):
        told = f"in what was logged: {leaked}"
        if report.failed:
            report.sections.append(("what was said", told))
        else:
            report.outcome, report.longrepr = "failed", told
    return report


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory, looked_through: TracerProvider) -> Iterator[System]:
    """One system for all tests that leave it as they found it: each uses users and documents of its own."""
    with ExitStack() as stack:
        with listening(looked_through):  # it starts before the first of the modules listens
            configure_logs("error")
            running = stack.enter_context(running_system(config_in(tmp_path_factory.mktemp("attune")), system_clock))
            with Client(Addresses.of(running.config)) as client:
                client.index(documents())
        yield running


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    with Client(Addresses.of(system.config), timeout_s=30) as made:
        yield made


@pytest.fixture(scope="module")
def cities(system: System) -> Iterator[None]:
    """Documents of a domain of their own, which go with the tests of the module."""
    made = city_documents()
    with Client(Addresses.of(system.config), timeout_s=30) as client:
        client.index(made)
        yield
        client.delete([each.document_id for each in made])
