"""Indexing: what becomes of the documents of a stream, and what is said of their domains."""

from collections.abc import AsyncIterator, Iterable

import pytest
from structlog.typing import EventDict
from tests.unit.search.conftest import Services

from attune.search.v1 import search_pb2 as pb
from attune.services.runtime.call import Call, enter_call
from attune.services.search.batches import Report
from attune.services.search.index.port import Index
from attune.services.search.indexing import Indexer


def document(document_id: str, domain: str = "", title: str = "a title") -> pb.Document:
    return pb.Document(document_id=document_id, title=title, domain=domain)


async def stream(documents: Iterable[pb.Document]) -> AsyncIterator[pb.Document]:
    for each in documents:
        yield each


async def indexed(index: Index, services: Services, *documents: pb.Document) -> Report:
    enter_call(Call("IndexDocuments", "acme", float("inf")))
    return await Indexer(index, services).index(stream(documents))  # type: ignore[arg-type]


async def test_documents_of_a_domain_without_an_expert_are_indexed_and_told(
    small_index: Index, services: Services
) -> None:
    services.known = frozenset({"general", "medicine"})
    report = await indexed(
        small_index,
        services,
        document("1", "nosuch"),
        document("2", "medicine"),
        document("3", "nosuch"),
        document("4", "general"),
        document("5"),
    )
    assert (report.indexed, report.rejected_count) == (5, 0)
    assert report.generalist.by_domain == {"nosuch": 2}
    stored = small_index.get("acme", "1")
    assert stored is not None
    assert stored.domain == "nosuch"  # still the label to narrow searches by


async def test_only_what_was_embedded_is_counted(small_index: Index, services: Services) -> None:
    await indexed(small_index, services, document("known", "nosuch"))
    services.refused = frozenset({"refused"})
    report = await indexed(
        small_index,
        services,
        document("known", "nosuch"),
        document("refused", "nosuch"),
        document("empty", "nosuch", title=" "),
        document("twice", "nosuch"),
        document("twice", "nosuch", title="another title"),
    )
    assert (report.indexed, report.unchanged, report.rejected_count) == (1, 1, 2)
    assert report.generalist.by_domain == {"nosuch": 1}
    assert services.embedded == ["known", "refused", "twice"]


async def test_the_count_goes_over_all_batches_of_a_stream(small_index: Index, services: Services) -> None:
    report = await indexed(small_index, services, *(document(str(i), f"d{i % 2}") for i in range(150)))
    assert report.generalist.by_domain == {"d0": 75, "d1": 75}


async def test_the_log_has_one_warning_a_call_without_any_text(
    small_index: Index, services: Services, log_lines: list[EventDict]
) -> None:
    await indexed(small_index, services, *(document(str(i), "nosuch", title="a secret") for i in range(150)))
    (line,) = log_lines
    assert (line["log_level"], line["documents"], line["domains"]) == ("warning", 150, ["nosuch"])
    assert "secret" not in str(line)


@pytest.mark.parametrize("domain", ["", "general"])
async def test_nothing_is_logged_of_documents_that_the_general_expert_is_for(
    small_index: Index, services: Services, domain: str, log_lines: list[EventDict]
) -> None:
    report = await indexed(small_index, services, document("1", domain))
    assert log_lines == []
    assert report.generalist.notices() == []


async def test_an_empty_stream_does_nothing(small_index: Index, services: Services) -> None:
    report = await indexed(small_index, services)
    assert (report.indexed, report.unchanged, report.rejected_count) == (0, 0, 0)
    assert services.embedded == []


async def test_deleted_documents_are_unlinked_and_so_are_those_that_are_gone_already(
    small_index: Index, services: Services, log_lines: list[EventDict]
) -> None:
    await indexed(small_index, services, document("1"), document("2"))
    indexer = Indexer(small_index, services)  # type: ignore[arg-type]
    assert await indexer.delete(["1", "gone"]) == 1
    assert services.unlinked == ["1", "gone"]
    assert small_index.get("acme", "1") is None
    assert small_index.get("acme", "2") is not None
    assert log_lines == []


async def test_documents_are_deleted_without_the_knowledge_service_and_the_log_says_what_is_left(
    small_index: Index, services: Services, log_lines: list[EventDict]
) -> None:
    await indexed(small_index, services, document("a secret id"))
    services.knowledge_is_up = False
    assert await Indexer(small_index, services).delete(["a secret id"]) == 1  # type: ignore[arg-type]
    assert small_index.get("acme", "a secret id") is None
    (line,) = log_lines
    assert (line["log_level"], line["documents"]) == ("warning", 1)
    assert "secret" not in str(line)
