"""RetrieveEntities' work: what of a request is the context, and what of the store comes back."""

from datetime import UTC, datetime

import pytest

from attune.knowledge.v1 import knowledge_pb2 as pb
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.linking import Linker
from attune.knowledge_store.model import EventKind, Interaction, UserKey
from attune.knowledge_store.store_memory import MemoryStore
from attune.services.knowledge.retrieving import retrieve

NOW = datetime(2026, 11, 3, tzinfo=UTC)
ADA = UserKey("acme", "ada")
LINES = [
    *(f'{{"id": "{each}", "label": "{each}"}}' for each in ("asyncio", "trio", "curio")),
    '{"merged": "curio", "into": "trio"}',
]


@pytest.fixture
def knowledge() -> Knowledge:
    catalog = Catalog.load(LINES)
    graph = CatalogGraph(catalog)
    made = Knowledge(catalog, graph, Linker(catalog, graph), MemoryStore())
    made.handle([Interaction(text, ADA, EventKind.QUERY, NOW, NOW, user_query=text) for text in ("asyncio", "trio")])
    return made


def familiar(knowledge: Knowledge, **fields: object) -> list[str]:
    request = pb.RetrieveEntitiesRequest(modes=[pb.RETRIEVAL_MODE_FAMILIAR], **fields)  # type: ignore[arg-type]
    return [each.entity.entity_id for each in retrieve(knowledge, ADA, request, NOW).entities]


def test_the_context_is_what_the_query_names_and_the_ids(knowledge: Knowledge) -> None:
    assert familiar(knowledge, query="asyncio") == ["asyncio"]
    assert familiar(knowledge, entity_ids=["curio"]) == ["trio"]
    assert familiar(knowledge, query="asyncio", entity_ids=["trio", "curio"]) == ["asyncio", "trio"]


def test_an_unknown_context_is_not_the_same_as_none(knowledge: Knowledge) -> None:
    assert familiar(knowledge) == ["asyncio", "trio"]
    assert familiar(knowledge, query="nothing that has a name") == []


def test_the_counts_are_by_kind_and_those_of_strangers_are_none(knowledge: Knowledge) -> None:
    modes = [pb.RETRIEVAL_MODE_UNFAMILIAR]
    request = pb.RetrieveEntitiesRequest(entity_ids=["asyncio", "unmet"], modes=modes)
    unmet, met = retrieve(knowledge, ADA, request, NOW).entities
    assert (met.entity.entity_id, dict(met.entity.evidence.counts)) == ("asyncio", {"query/query": 1})
    assert met.entity.evidence.total == 1
    assert (unmet.entity.entity_id, dict(unmet.entity.evidence.counts)) == ("unmet", {})
