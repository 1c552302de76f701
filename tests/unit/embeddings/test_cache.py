import asyncio
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.embeddings.batching import EngineResult, EngineTimings
from attune.embeddings.cache import VectorCache
from attune.embeddings.caching import CachingEngine
from attune.embeddings.domains import GENERAL, Domain, DomainRegistry, ExpertKind
from attune.embeddings.errors import Overloaded, TextError
from attune.embeddings.items import Embedded, EmbedItem, Role
from attune.embeddings.lanes import Lane

ONE = 8 * 4 + 512  # bytes that an entry of 8 dimensions counts for


def embedded(value: float = 0.0) -> Embedded:
    return Embedded(np.full(8, value, np.float32), "general", 3, truncated=False)


class CountingEngine:
    """Gives each text a vector of its length; empty texts have none."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refuse = False
        self.domains = DomainRegistry([Domain(GENERAL, "", ExpertKind.GENERAL, "1")])

    async def embed(self, items, **_options: object) -> EngineResult:
        if self.refuse:
            raise Overloaded(1)
        self.asked += [item.text for item in items]
        matrix = np.repeat(np.array([[len(item.text)] for item in items], np.float32), 8, axis=1)
        results = [
            Embedded(row, "general", 3, truncated=False) if item.text else TextError(place, "it is empty")
            for place, (item, row) in enumerate(zip(items, matrix, strict=True))
        ]
        return EngineResult(tuple(results), EngineTimings(1, 2, 3))


class Counted:
    def __init__(self) -> None:
        self.hits = self.misses = 0

    def __call__(self, hits: int, misses: int) -> None:
        self.hits += hits
        self.misses += misses


@pytest.fixture
def engine() -> CountingEngine:
    return CountingEngine()


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def caching(engine, counted) -> CachingEngine:
    return CachingEngine(engine, VectorCache(1 << 20), counted)


def ask(caching: CachingEngine, *texts: str, lane: Lane = Lane.INTERACTIVE) -> EngineResult:
    return asyncio.run(caching.embed([EmbedItem(text) for text in texts], lane=lane))


def test_a_text_that_comes_again_is_not_computed_again(caching, engine, counted):
    first, again = ask(caching, "tide", "harbour"), ask(caching, "harbour", "mud", "tide")
    assert engine.asked == ["tide", "harbour", "mud"]
    assert [result.vector[0] for result in again.results if isinstance(result, Embedded)] == [7, 3, 4]
    np.testing.assert_array_equal(again.results[2].vector, first.results[0].vector)
    assert (counted.hits, counted.misses) == (2, 3)


def test_what_comes_from_memory_has_waited_for_nothing(caching):
    ask(caching, "tide")
    assert ask(caching, "tide").timings == EngineTimings(0, 0, 0)


def test_an_error_names_its_place_in_the_request_and_is_not_kept(caching, engine):
    ask(caching, "tide")
    for _ in range(2):
        error = ask(caching, "tide", "").results[1]
        assert isinstance(error, TextError)
        assert error.index == 1
    assert engine.asked == ["tide", "", ""]


def test_bulk_texts_neither_look_nor_stay(caching, engine, counted):
    ask(caching, "tide", lane=Lane.BULK)
    ask(caching, "tide")
    ask(caching, "tide", lane=Lane.BULK)
    assert engine.asked == ["tide", "tide", "tide"]
    assert (counted.hits, counted.misses) == (0, 1)


def test_a_refused_request_leaves_nothing_behind(caching, engine):
    engine.refuse = True
    with pytest.raises(Overloaded):
        ask(caching, "tide")
    engine.refuse = False
    assert len(ask(caching, "tide").results) == 1
    assert engine.asked == ["tide"]


def test_a_kept_vector_can_neither_be_changed_nor_keeps_its_batch(caching):
    first = ask(caching, "tide", "harbour").results[0]
    again = ask(caching, "tide").results[0]
    assert isinstance(first, Embedded)
    assert isinstance(again, Embedded)
    first.vector[:] = 99
    assert again.vector.base is None
    with pytest.raises(ValueError, match="read-only"):
        again.vector[0] = 1
    assert ask(caching, "tide").results[0].vector[0] == 4


@pytest.mark.parametrize(
    "other",
    [
        EmbedItem("tides", "law", Role.QUERY),
        EmbedItem("tide", "", Role.QUERY),
        EmbedItem("tide", "law", Role.PASSAGE),
        EmbedItem("tide", "law", Role.QUERY, truncate=False),
        EmbedItem("law\0tide", "", Role.QUERY),
    ],
)
def test_all_that_a_vector_depends_on_is_in_its_key(other):
    cache = VectorCache(1 << 20)
    assert cache.key(other) != cache.key(EmbedItem("tide", "law", Role.QUERY))


@given(st.text(st.characters(), max_size=8), st.text(st.characters(), max_size=8))
def test_texts_have_the_same_key_only_if_they_are_the_same(one, other):
    cache = VectorCache(1 << 20)
    assert (cache.key(EmbedItem(one)) == cache.key(EmbedItem(other))) == (one == other)


def test_a_key_means_nothing_to_another_cache():
    assert VectorCache(1).key(EmbedItem("tide")) != VectorCache(1).key(EmbedItem("tide"))


def test_the_least_recently_used_goes_first():
    cache = VectorCache(2 * ONE)
    for key in (b"a", b"b"):
        cache.keep(key, embedded())
    assert cache.find(b"a") is not None
    cache.keep(b"c", embedded())
    assert [key for key in (b"a", b"b", b"c") if cache.find(key) is not None] == [b"a", b"c"]


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=60), st.integers(0, 5))
def test_it_never_holds_more_than_its_bound(steps, entries):
    cache = VectorCache(entries * ONE)
    for number, looks in steps:
        if looks:
            found = cache.find(bytes([number]))
            assert found is None or found.vector[0] == number
        else:
            cache.keep(bytes([number]), embedded(number))
        assert len(cache) <= entries


def test_an_entry_takes_no_more_memory_than_it_counts_for():
    cache = VectorCache(1 << 30)
    tracemalloc.start()
    for number in range(2000):
        cache.keep(cache.key(EmbedItem(str(number))), embedded())
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(cache) == 2000
    assert taken / len(cache) <= ONE


def test_what_an_expert_of_before_computed_is_not_found(caching, engine):
    ask(caching, "tide")
    engine.domains = DomainRegistry([replace(engine.domains.route(""), version="2")])
    ask(caching, "tide")
    assert engine.asked == ["tide", "tide"]
