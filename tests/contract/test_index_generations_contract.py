"""What every index engine must do alike with generations: build beside what serves, lose nothing, swap as a whole."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.conftest import DIMENSION, IDENTITY, Opener

from attune.services.search.index.errors import IndexMismatchError
from attune.services.search.index.generations import Generation, GenerationError, GenerationState, LogBehindError
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.port import Document, Index, IndexedDocument, Target, Version

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
VECTOR = np.ones((1, DIMENSION), np.float32)
OTHER_MODEL = IndexIdentity("model-b", DIMENSION)


def put(into: Target, document_id: str, text: str, version: Version | None = None, tenant: str = "acme") -> None:
    document = IndexedDocument.of(Document(document_id, "", text, "d"), version=version)
    into.upsert(tenant, [document], VECTOR)


def texts(index: Index, tenant: str = "acme") -> dict[str, str]:
    found = index.documents(tenant, [str(i) for i in range(10)])
    assert {each.id for each in index.dense(tenant, VECTOR[0], 100)} == set(found)
    assert index.count(tenant) == len(found)
    return {each: document.text for each, document in found.items()}


def by_state(index: Index) -> dict[GenerationState, Generation]:
    return {each.state: each for each in index.generations()}


def test_what_is_fed_is_not_seen_until_it_serves(index: Index) -> None:
    put(index, "1", "old")
    building = index.create_generation()
    feed = index.feed(building.name)
    put(feed, "1", "new")
    put(feed, "2", "new")
    assert texts(index) == {"1": "old"}
    assert by_state(index)[GenerationState.BUILDING].documents == 2
    before = by_state(index)[GenerationState.SERVING]
    assert index.activate_generation(building.name).state is GenerationState.SERVING
    assert texts(index) == {"1": "new", "2": "new"}
    assert [each.name for each in index.generations()] == [building.name] != [before.name]


def test_writes_go_to_both_and_what_is_fed_later_does_not_replace_them(index: Index) -> None:
    for each in ("1", "2", "3"):
        put(index, each, "old")
    building = index.create_generation()
    put(index, "1", "news")
    put(index, "4", "news")
    assert index.delete("acme", ["2", "9"]) == 1
    assert texts(index) == {"1": "news", "3": "old", "4": "news"}
    feed = index.feed(building.name)
    assert feed.overtaken("acme", ["1", "2", "3", "4", "9"]) == {"1", "2", "4", "9"}
    for each in ("1", "2", "3", "9"):
        put(feed, each, "fed")
    index.activate_generation(building.name)
    assert texts(index) == {"1": "news", "3": "fed", "4": "news"}


def test_what_was_deleted_while_building_may_come_back_as_news(index: Index) -> None:
    building = index.create_generation()
    put(index, "1", "news")
    index.delete("acme", ["1"])
    put(index, "1", "again")
    put(index.feed(building.name), "1", "fed")
    put(index, "2", "news")
    index.delete("acme", ["2"])
    index.activate_generation(building.name)
    assert texts(index) == {"1": "again"}
    put(index, "2", "after")
    assert texts(index) == {"1": "again", "2": "after"}


def test_a_document_is_unchanged_only_where_every_generation_has_it(index: Index) -> None:
    put(index, "1", "text")
    put(index, "2", "text")
    building = index.create_generation()
    assert index.digests("acme", ["1", "2"]) == {}
    put(index.feed(building.name), "1", "text")
    assert index.digests("acme", ["1", "2"]).keys() == {"1"}
    put(index.feed(building.name), "2", "another text")
    assert index.digests("acme", ["1", "2"]).keys() == {"1"}


def test_offsets_of_the_log_belong_to_a_generation(index: Index) -> None:
    index.move_log_offset(0, 7)
    index.move_log_offset(3, 2)
    epoch = index.epoch()
    building = index.create_generation()
    assert index.epoch() != epoch
    assert index.log_offset(0) == 0
    with pytest.raises(LogBehindError, match="partition 0 to 0 of 7, partition 3 to 0 of 2"):
        index.activate_generation(building.name)
    index.move_log_offset(0, 8)
    index.move_log_offset(3, 2)
    assert index.log_offset(0) == 8
    index.activate_generation(building.name)
    assert (index.log_offset(0), index.log_offset(3)) == (8, 2)


def test_the_log_is_read_again_into_a_new_generation(index: Index) -> None:
    put(index, "1", "of the log", Version(0, 5, 0))
    index.retire("acme", {"2": Version(0, 6, 0)})
    building = index.create_generation()
    assert index.versions("acme", ["1", "2"]) == {}
    put(index.feed(building.name), "2", "fed")
    put(index, "1", "of the log", Version(0, 5, 0))
    index.retire("acme", {"2": Version(0, 6, 0)})
    put(index.feed(building.name), "1", "fed")
    put(index.feed(building.name), "2", "fed")
    assert index.versions("acme", ["1", "2"]) == {"1": Version(0, 5, 0), "2": Version(0, 6, 0)}
    index.activate_generation(building.name)
    put(index, "2", "older", Version(0, 4, 0))
    assert texts(index) == {"1": "of the log"}


def test_a_tenant_is_not_forgotten(index: Index) -> None:
    put(index, "1", "text")
    put(index, "1", "text", tenant="globex")
    building = index.create_generation()
    put(index.feed(building.name), "1", "fed")
    with pytest.raises(GenerationError, match="no document of 1 tenants that have some now"):
        index.activate_generation(building.name)
    assert texts(index) == {"1": "text"}
    index.activate_generation(building.name, force=True)
    assert (texts(index), texts(index, "globex")) == ({"1": "fed"}, {})


def test_only_what_can_be_done_is_done(index: Index) -> None:
    (serving,) = index.generations()
    building = index.create_generation()
    with pytest.raises(GenerationError, match=f"generation '{building.name}' is being built: put it in place, or drop"):
        index.create_generation()
    with pytest.raises(GenerationError, match="generation 'nosuch' is not being built"):
        index.feed("nosuch")
    with pytest.raises(GenerationError, match=f"'nosuch' is not being built: '{building.name}' is"):
        index.activate_generation("nosuch")
    with pytest.raises(GenerationError, match="there is no generation 'nosuch'"):
        index.drop_generation("nosuch")
    with pytest.raises(GenerationError, match=f"'{serving.name}' serves"):
        index.drop_generation(serving.name)
    assert index.activate_generation(serving.name).name == serving.name  # it does already
    index.drop_generation(building.name)
    assert [each.name for each in index.generations()] == [serving.name]
    with pytest.raises(GenerationError, match="is not being built: none is"):
        index.activate_generation(building.name)


def test_a_feed_ends_with_its_generation(index: Index) -> None:
    building = index.create_generation()
    feed = index.feed(building.name)
    put(feed, "1", "fed")
    index.activate_generation(building.name)
    with pytest.raises(GenerationError, match="is not being built"):
        put(feed, "2", "late")
    another = index.create_generation()
    assert another.name != building.name
    index.drop_generation(another.name)
    assert texts(index) == {"1": "fed"}


def test_what_is_being_built_is_there_after_reopening(open_index: Opener) -> None:
    first = open_index()
    put(first, "1", "old")
    building = first.create_generation()
    put(first.feed(building.name), "2", "fed")
    put(first, "3", "news")
    first.close()
    again = open_index()
    put(again.feed(building.name), "3", "fed")
    assert texts(again) == {"1": "old", "3": "news"}
    again.activate_generation(building.name)
    again.close()
    last = open_index()
    assert texts(last) == {"2": "fed", "3": "news"}
    last.close()


def test_another_model_builds_an_index_while_searches_are_refused(open_index: Opener) -> None:
    first = open_index()
    put(first, "1", "old")
    first.close()
    with pytest.raises(IndexMismatchError, match="run `attune index DIR --rebuild`"):
        open_index(OTHER_MODEL)
    other = open_index(OTHER_MODEL, may_rebuild=True)
    for refused in (
        lambda: other.dense("acme", VECTOR[0], 1),
        lambda: other.get("acme", "1"),
        lambda: put(other, "2", "news"),
        lambda: other.delete("acme", ["1"]),
    ):
        with pytest.raises(IndexMismatchError, match=r"model_id 'model-a' \(this service: 'model-b'\)"):
            refused()
    assert by_state(other)[GenerationState.SERVING].documents is None
    building = other.create_generation()
    put(other, "2", "news")
    put(other.feed(building.name), "1", "fed")
    other.activate_generation(building.name)
    assert texts(other) == {"1": "fed", "2": "news"}
    assert [each.model_id for each in other.generations()] == ["model-b"]
    other.close()
    with pytest.raises(IndexMismatchError, match="model-b"):
        open_index()


def test_nobody_writes_past_a_generation_of_another_model(open_index: Opener) -> None:
    first = open_index()
    put(first, "1", "old")
    first.close()
    other = open_index(OTHER_MODEL, may_rebuild=True)
    building = other.create_generation()
    other.close()
    again = open_index()
    assert texts(again) == {"1": "old"}
    with pytest.raises(IndexMismatchError, match=f"generation '{building.name}' is being built for another model"):
        put(again, "2", "lost otherwise")
    again.drop_generation(building.name)
    put(again, "2", "news")
    assert texts(again) == {"1": "old", "2": "news"}
    again.close()


NAMES = st.sampled_from(["1", "2", "3"])
STEPS = st.lists(st.tuples(st.sampled_from(["put", "delete", "feed"]), NAMES, st.integers(0, 9)), max_size=12)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_steps_leave_news_above_what_is_fed(index: Index, steps: list[tuple[str, str, int]]) -> None:
    index.delete("acme", ["1", "2", "3"])
    building = index.create_generation()
    feed = index.feed(building.name)
    serving: dict[str, str] = {}
    news: dict[str, str | None] = {}
    fed: dict[str, str] = {}
    for kind, name, number in steps:
        if kind == "feed":
            put(feed, name, f"fed {number}")
            fed[name] = f"fed {number}"
        elif kind == "put":
            put(index, name, f"news {number}")
            serving[name] = news[name] = f"news {number}"
        else:
            assert index.delete("acme", [name]) == (serving.pop(name, None) is not None)
            news[name] = None
    assert texts(index) == serving
    index.activate_generation(building.name)
    expected = fed | news
    assert texts(index) == {name: text for name, text in expected.items() if text is not None}


def test_searches_go_on_while_generations_change_and_documents_are_deleted(index: Index) -> None:
    for each in range(10):
        put(index, str(each), "word")
    stop = threading.Event()
    failures: list[BaseException] = []
    counts: set[int] = set()

    def search() -> None:
        while not stop.is_set():
            counts.add(len(index.bm25("acme", "word", 20)))
            found = index.dense("acme", VECTOR[0], 20)
            index.documents("acme", [each.id for each in found])

    def change() -> None:
        for _ in range(3):
            building = index.create_generation()
            feed = index.feed(building.name)
            for each in range(10):
                put(feed, str(each), "word")
            index.activate_generation(building.name)
        index.delete("acme", [str(each) for each in range(5)])

    run_until_the_last(stop, failures, change, search, search)
    assert failures == []
    assert min(counts) >= 5  # no search has met a generation half built
    assert index.count("acme") == 5
    assert len(index.generations()) == 1


def run_until_the_last(
    stop: threading.Event, failures: list[BaseException], change: Callable[[], None], *others: Callable[[], None]
) -> None:
    def run(task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's
            failures.append(error)

    threads = [threading.Thread(target=run, args=(each,)) for each in others]
    for each in threads:
        each.start()
    run(change)
    stop.set()
    for each in threads:
        each.join()


def test_the_identity_of_a_generation_is_told(index: Index) -> None:
    (serving,) = index.generations()
    assert (serving.model_id, serving.dimension, serving.documents) == (IDENTITY.model_id, IDENTITY.dimension, 0)
