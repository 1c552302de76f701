"""RetrieveEntities' work: what of a request is the context, and what of the store comes back."""

from datetime import UTC, datetime

import pytest

from attune.knowledge.v1 import knowledge_pb2 as pb
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.consent import Choice, Purpose
from attune.knowledge_store.history import History
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.loaded import LoadedCatalog
from attune.knowledge_store.model import Companion, EventKind, Interaction, UserKey
from attune.knowledge_store.store_memory import MemoryStore
from attune.services.knowledge.retrieving import retrieve

NOW = datetime(2026, 11, 3, tzinfo=UTC)
ADA = UserKey("acme", "ada")
LINES = [
    *(f'{{"id": "{each}", "label": "{each}"}}' for each in ("asyncio", "trio", "curio", "unmet")),
    '{"merged": "curio", "into": "trio"}',
]


@pytest.fixture
def knowledge() -> Knowledge:
    loaded = LoadedCatalog.of(Catalog.load(LINES))
    made = Knowledge(loaded.catalog, loaded.graph, loaded.linker, MemoryStore())
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


def entities(knowledge: Knowledge, **fields: object) -> list[str]:
    found = retrieve(knowledge, ADA, pb.RetrieveEntitiesRequest(**fields), NOW).entities  # type: ignore[arg-type]
    return [each.entity.entity_id for each in found]


def test_an_id_that_the_catalog_does_not_have_is_no_entity(knowledge: Knowledge) -> None:
    assert entities(knowledge, entity_ids=["nosuch"]) == []
    assert set(entities(knowledge, entity_ids=["nosuch", "trio"])) == {"trio"}


def test_what_has_left_the_catalog_is_neither_the_users_nor_next_to_it(knowledge: Knowledge) -> None:
    knowledge.store.replace_companions("acme", {"trio": [Companion("asyncio", 20, 0.9), Companion("unmet", 20, 0.8)]})
    knowledge.loaded = LoadedCatalog.of(Catalog.load([line for line in LINES if '"asyncio"' not in line]))
    assert set(entities(knowledge)) == {"trio", "unmet"}
    assert set(entities(knowledge, entity_ids=["asyncio"])) == set()
    assert set(entities(knowledge, entity_ids=["asyncio", "trio"])) == {"trio", "unmet"}


def test_it_is_told_which_ids_the_catalog_has(knowledge: Knowledge) -> None:
    request = pb.RetrieveEntitiesRequest(entity_ids=["nosuch", "trio", "asyncio", "curio", "trio"])
    assert list(retrieve(knowledge, ADA, request, NOW).known_entity_ids) == ["trio", "asyncio"]


def aliases(knowledge: Knowledge, *, asked: bool) -> dict[str, list[str]]:
    request = pb.RetrieveEntitiesRequest(modes=[pb.RETRIEVAL_MODE_FAMILIAR], with_aliases=asked)
    return {each.entity.entity_id: list(each.aliases) for each in retrieve(knowledge, ADA, request, NOW).entities}


def test_other_names_come_where_they_are_asked_for(knowledge: Knowledge) -> None:
    assert aliases(knowledge, asked=False) == {"asyncio": [], "trio": []}
    assert aliases(knowledge, asked=True) == {"asyncio": [], "trio": ["curio"]}  # it was merged into that


def test_of_many_names_the_first_come(knowledge: Knowledge) -> None:
    names = ", ".join(f'"name {number}"' for number in range(100))
    knowledge.loaded = LoadedCatalog.of(Catalog.load([f'{{"id": "trio", "label": "trio", "aliases": [{names}]}}']))
    assert aliases(knowledge, asked=True) == {"trio": [f"name {number}" for number in range(16)]}


def told(knowledge: Knowledge, **fields: object) -> pb.RetrieveEntitiesResponse:
    return retrieve(knowledge, ADA, pb.RetrieveEntitiesRequest(**fields), NOW)  # type: ignore[arg-type]


def test_the_history_comes_where_it_is_asked_for_and_allowed_whatever_the_context(knowledge: Knowledge) -> None:
    said = Interaction("said", ADA, EventKind.STATEMENT, NOW, NOW, user_query="I like trio.")
    knowledge.handle([Interaction("read", ADA, EventKind.CLICK, NOW, NOW, object_id="d1"), said])
    found = told(knowledge, query="nothing that has a name", with_history=True)
    assert [each.document_id for each in found.history.documents] == ["d1"]
    assert [each.text for each in found.history.statements] == ["I like trio."]
    assert found.history.documents[0].read_at.ToDatetime(UTC) == NOW
    assert not told(knowledge, query="trio").HasField("history")
    knowledge.store.consent(ADA, [Choice(NOW, Purpose.RANKING, granted=False)])
    withheld = told(knowledge, query="trio", with_history=True, purpose=pb.PURPOSE_RANKING)
    assert (withheld.withheld, withheld.HasField("history")) == (True, False)


@pytest.mark.parametrize("query", ["trio", "nothing that has a name", ""])
def test_what_the_context_does_not_name_is_left_out_where_that_is_asked_for(knowledge: Knowledge, query: str) -> None:
    every = {each.entity.entity_id for each in told(knowledge, query=query).entities}
    alone = {each.entity.entity_id for each in told(knowledge, query=query, context_only=True).entities}
    assert alone == every & {"trio"} if query else not alone


def test_a_statement_adds_no_entity_and_goes_with_one_that_it_names(knowledge: Knowledge) -> None:
    before = [each.entity_id for each in knowledge.store.entities(ADA)]
    knowledge.handle([Interaction("said", ADA, EventKind.STATEMENT, NOW, NOW, user_query="I cannot stand curio.")])
    assert [each.entity_id for each in knowledge.store.entities(ADA)] == before
    assert knowledge.forget_entity(ADA, "trio", NOW)["statements"] == 1
    assert knowledge.view(ADA).history == History()
