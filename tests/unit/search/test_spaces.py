"""Documents of several experts: which spaces a query is embedded in, and how their rankings become one."""

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.search.conftest import DIMENSION, Services

from attune.embedding.v1 import embedding_pb2 as embedding
from attune.knowledge.v1.context_pb2 import Context
from attune.services.runtime.call import Call, enter_call
from attune.services.search.gateway import Augmentation
from attune.services.search.index.port import Candidate, Document, Index, IndexedDocument
from attune.services.search.searching import Found, Searcher
from attune.services.search.spaces import Space, merge, with_hits, worth_searching
from attune.services.search.wish import Wish

INHABITED = {"law": "law@1", "bio": "bio@1", "code": "code@1", "news": "news@1"}


def test_the_likeliest_experts_are_searched_and_the_general_one_always():
    found = worth_searching(INHABITED, {"bio": 0.5, "law": 0.3, "code": 0.11, "news": 0.08, "general": 0.01})
    assert [(space.domain, space.weight) for space in found] == [
        ("bio", 0.5),
        ("law", 0.3),
        ("code", 0.11),
        ("general", 0.1),
    ]


def test_unlikely_experts_are_not_searched():
    found = worth_searching(INHABITED, {"bio": 0.97, "law": 0.01, "general": 0.02})
    assert [space.domain for space in found] == ["bio", "general"]


def test_what_is_likely_of_no_expert_with_documents_is_likely_in_the_general_space():
    """A domain may be the router's and have no expert, as the general one serves it best."""
    found = worth_searching({"law": "law@1"}, {"law": 0.3, "health": 0.65, "general": 0.05})
    assert [(space.domain, round(space.weight, 9)) for space in found] == [("general", 0.7), ("law", 0.3)]


def test_the_domains_of_hits_by_words_count_as_much_as_the_router():
    """Where both doubt, the one that is surer decides; a domain without hits is not ruled out."""
    probabilities = {"law": 0.55, "bio": 0.4, "general": 0.05}
    found = with_hits(probabilities, {"bio": 12.0, "law": 3.0})
    assert found["bio"] > 2 * found["law"]
    assert sum(found.values()) == pytest.approx(1)
    sure = with_hits({"law": 0.999, "bio": 0.0009, "general": 0.0001}, {"bio": 20.0})
    assert sure["law"] > 0.9
    assert with_hits(probabilities, {}) == probabilities
    assert with_hits(probabilities, {"news": 5.0}, INHABITED)["news"] > 0.2  # the router does not know its texts
    assert with_hits(probabilities, {"unheard of": 5.0})["general"] > with_hits(probabilities, {"law": 5.0})["general"]


def test_experts_without_documents_are_not_searched():
    assert [space.domain for space in worth_searching({}, {"bio": 1.0})] == ["general"]


def test_rankings_are_merged_by_rank_and_likelihood():
    likely, unlikely = Space("bio", "bio@1", 0.9), Space("general", "", 0.1)
    ranking = [(likely, [Candidate(f"b{n}", 0.5) for n in range(3)]), (unlikely, [Candidate("g0", 0.99)])]
    assert [each.id for each in merge(ranking, 10)] == ["b0", "b1", "b2", "g0"]
    assert len(merge(ranking, 2)) == 2


@given(st.floats(0.1, 1), st.lists(st.text("ab", min_size=1), unique=True, max_size=10))
def test_one_space_keeps_its_order(weight, ids):
    candidates = [Candidate(each, 1.0) for each in ids]
    assert merge([(Space("general", "", weight), candidates)], 100) == candidates


def put(index: Index, name: str, space: str, direction: int) -> None:
    vector = np.zeros((1, DIMENSION), np.float32)
    vector[0, direction] = 1
    index.upsert("acme", [IndexedDocument.of(Document(name, "title", "text", "any"), space)], vector)


async def search(
    index: Index, services: Services, augmentation: Augmentation = embedding.AUGMENTATION_UNSPECIFIED
) -> Found:
    enter_call(Call("Search", "acme", float("inf")))
    wish = Wish("zzz", "", Context(), (), 10, augmentation)
    return await Searcher(index, services).search(wish)  # type: ignore[arg-type]


@pytest.fixture
def mixed_index(small_index: Index) -> Index:
    put(small_index, "by the general expert", "", 0)
    put(small_index, "by the law expert", "law@2", 1)
    put(small_index, "by the law expert of before", "law@1", 2)
    return small_index


async def test_documents_are_found_in_the_spaces_of_now(mixed_index, services):
    services.spaces, services.probabilities = {"law": "law@2"}, {"law": 0.9, "general": 0.1}
    found = await search(mixed_index, services)
    assert [each.fused.id for each in found.ranked] == ["by the law expert", "by the general expert"]
    assert [space.domain for space in found.spaces] == ["law", "general"]


async def test_words_that_only_one_domain_has_lead_to_its_space(small_index, services):
    for domain, title in (("law", "zzz"), ("bio", "other")):
        vector = np.eye(1, DIMENSION, dtype=np.float32)
        document = IndexedDocument.of(Document(f"of {domain}", title, "text", domain), f"{domain}@1")
        small_index.upsert("acme", [document], vector)
    services.spaces = {"law": "law@1", "bio": "bio@1"}
    services.probabilities = {"bio": 0.6, "law": 0.35, "general": 0.05}
    found = await search(small_index, services)
    assert found.spaces[0].domain == "law"
    assert found.ranked[0].fused.id == "of law"


@pytest.mark.parametrize("fails", ["experts", "route", "query_vectors"])
async def test_a_search_that_fails_leaves_no_search_by_words_behind(mixed_index, services, monkeypatch, fails):
    services.spaces, services.probabilities = {"law": "law@2"}, {"law": 0.9, "general": 0.1}

    async def broken(*_: object) -> None:
        raise RuntimeError(fails)

    monkeypatch.setattr(services, fails, broken)
    with pytest.raises(RuntimeError, match=fails):
        await search(mixed_index, services)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_without_experts_there_is_one_space(mixed_index, services):
    found = await search(mixed_index, services)
    assert len(found.ranked) == 3
    assert [space.domain for space in found.spaces] == ["general"]


async def test_an_expert_without_the_augmentation_asked_for_gets_the_plain_query(mixed_index, services):
    services.spaces = {"law": "law@2"}
    services.probabilities = {"law": 0.9, "general": 0.1}
    services.augmentations = frozenset({embedding.AUGMENTATION_PROBES})
    found = await search(mixed_index, services, embedding.AUGMENTATION_PROBES)
    used = dict(zip([space.domain for space in found.spaces], found.augmentations, strict=True))
    assert used == {"law": embedding.AUGMENTATION_PROBES, "general": embedding.AUGMENTATION_NONE}
