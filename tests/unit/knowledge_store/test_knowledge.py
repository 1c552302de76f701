import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.knowledge_store.builders import (
    ANNA,
    BEN,
    LOG,
    START,
    TWIN,
    content,
    days,
    interaction,
    line,
    linker_for,
    untimed,
)

from attune.knowledge_store.consent import Choice, Purpose
from attune.knowledge_store.cooccurrence import count_companions
from attune.knowledge_store.knowledge import Document, Knowledge
from attune.knowledge_store.model import EventKind, Interaction, LinkedEntity, LogPosition, Source, UserKey
from attune.knowledge_store.retrieval import Mode, Retrieved
from attune.knowledge_store.store_memory import MemoryStore
from attune.knowledge_store.store_model import Applied
from attune.knowledge_store.store_sqlite import SqliteStore

CATALOG, GRAPH, LINKER = linker_for(
    line("asyncio", "asyncio", [], "Asynchronous input and output.", near=["trio"]),
    line("gather", "asyncio.gather", [], "Run awaitables.", part_of=["asyncio"]),
    line("planet", "Mercury", [], "The planet nearest to the sun."),
    line("metal", "mercury metal", ["Mercury"], "A liquid metal, toxic."),
    line("trio", "trio"),
)
ON_DOCUMENTS = [EventKind.CLICK, EventKind.VIEW, EventKind.DWELL, EventKind.FEEDBACK]


@pytest.fixture
def knowledge() -> Knowledge:
    return Knowledge(CATALOG, GRAPH, LINKER, MemoryStore())


def weights(knowledge: Knowledge, user: UserKey = ANNA) -> dict[str, float]:
    return {state.entity_id: state.weight for state in knowledge.entity_page(user, None, 100)}


def retrieved(
    knowledge: Knowledge, *entity_ids: str, modes: Sequence[Mode] = tuple(Mode), user: UserKey = ANNA, at=START
) -> list[Retrieved]:
    return knowledge.retrieve(
        user.tenant, knowledge.view(user), entity_ids, now=at, modes=modes, limit=10, loaded=knowledge.loaded
    )


def remember(knowledge: Knowledge, *documents: Document) -> dict[str, list[LinkedEntity]]:
    linked = knowledge.link_documents(documents)
    knowledge.store.remember_objects("acme", linked)
    return linked


def test_a_query_is_linked_and_its_entities_are_seen(knowledge):
    batch = [interaction("1", EventKind.QUERY, user_query="asyncio.gather with trio?")]
    assert knowledge.handle(batch, LogPosition("log", 0, 1)) == Applied(new=1)
    assert weights(knowledge) == {"gather": 1.0, "trio": 1.0}
    assert knowledge.store.position("log", 0) == 1


def test_a_query_is_understood_with_the_title_that_was_clicked_for_it(knowledge):
    title = {"title": "Toxic liquid metal"}
    knowledge.handle([interaction("1", EventKind.QUERY, user_query="mercury", attributes=title)])
    knowledge.handle([interaction("2", EventKind.QUERY, user_query="mercury", user=BEN)])
    assert (list(weights(knowledge)), list(weights(knowledge, BEN))) == (["metal"], [])


def test_a_query_and_the_title_clicked_for_it_are_read_together():
    lines = [
        line("country", "Georgia", [], "in the Caucasus", capital=["tbilisi"]),
        line("state", "Georgia", [], "in the south"),
        line("tbilisi", "Tbilisi", ["Tiflis"], "city"),
    ]
    knowledge = Knowledge(*linker_for(*lines), MemoryStore())
    events = [
        interaction("1", EventKind.QUERY, user_query="georgia", attributes={"title": "Old Tiflis"}),
        interaction("2", EventKind.CLICK, user_query="tiflis", attributes={"title": "Georgia"}, user=BEN),
    ]
    knowledge.handle(events)
    assert (weights(knowledge), weights(knowledge, BEN)) == ({"country": 1.0}, {"country": 1.0})


def test_a_click_on_an_indexed_document_observes_what_it_is_about(knowledge):
    linked = remember(knowledge, Document("d1", "asyncio.gather", "Run awaitables concurrently."))
    assert linked == {"d1": [LinkedEntity("gather", 1.0), LinkedEntity("asyncio", pytest.approx(0.3))]}
    knowledge.handle([interaction("1", EventKind.CLICK, object_id="d1", user_query="trio")])
    assert weights(knowledge) == {"gather": 1.0, "asyncio": pytest.approx(0.3)}


def test_a_click_on_an_unknown_document_is_linked_by_its_title_and_the_query(knowledge):
    fields = {"object_id": "d9", "attributes": {"title": "Mercury"}, "user_query": "toxic liquid"}
    knowledge.handle([interaction("1", EventKind.CLICK, **fields)])
    assert weights(knowledge) == {"metal": 1.0}


@pytest.mark.parametrize("kind", ON_DOCUMENTS)
def test_an_event_on_a_document_that_nobody_knows_still_counts_as_an_event(knowledge, kind):
    assert knowledge.handle([interaction("1", kind, dwell_ms=60_000)]) == Applied(new=1)
    assert weights(knowledge) == {}
    assert knowledge.profile(ANNA).events == 1


def test_what_a_document_is_about_is_known_to_its_tenant_only(knowledge):
    remember(knowledge, Document("d1", "trio", ""))
    knowledge.handle([interaction(f"{user.tenant}", EventKind.CLICK, user, object_id="d1") for user in (ANNA, TWIN)])
    assert (weights(knowledge), weights(knowledge, TWIN)) == ({"trio": 1.0}, {})


def test_a_forgotten_document_teaches_nothing_any_more(knowledge):
    remember(knowledge, Document("d1", "trio", ""))
    assert knowledge.store.forget_objects("acme", ["d1"]) == 1
    knowledge.handle([interaction("1", EventKind.CLICK, object_id="d1")])
    assert weights(knowledge) == {}


def test_a_verdict_takes_back_what_a_click_gave(knowledge):
    remember(knowledge, Document("d1", "trio", ""))
    verdict = {"verdict": "irrelevant"}
    knowledge.handle([interaction("1", EventKind.CLICK, object_id="d1")])
    knowledge.handle([interaction("2", EventKind.FEEDBACK, object_id="d1", attributes=verdict)])
    assert weights(knowledge) == {"trio": 0.0}


def removed(event_id: str, *entity_ids: str, **fields: Any) -> Interaction:
    return interaction(event_id, EventKind.SUGGESTION_REMOVED, entity_ids=entity_ids, **fields)


def test_a_removed_suggestion_counts_against_what_it_was_about(knowledge):
    knowledge.handle([interaction("1", EventKind.QUERY, user_query="asyncio")])
    knowledge.handle([removed("2", "asyncio"), removed("3", "trio", "planet")])
    assert weights(knowledge) == {"asyncio": 0.0, "trio": -0.5, "planet": -0.5}
    (trio,) = [state for state in knowledge.entity_page(ANNA, None, 10) if state.entity_id == "trio"]
    assert trio.counts == {(EventKind.SUGGESTION_REMOVED, Source.SUGGESTION): 1}


def test_what_was_removed_is_in_no_mode_of_retrieval_any_more(knowledge):
    knowledge.handle([interaction("1", EventKind.QUERY, user_query="asyncio")])
    assert {one.mode for one in retrieved(knowledge, "trio")} == {Mode.UNFAMILIAR, Mode.NEIGHBOUR}
    knowledge.handle([removed("2", "trio")])
    assert retrieved(knowledge, "trio") == []


def test_a_suggestion_removed_twice_counts_once(knowledge):
    assert knowledge.handle([removed("1", "trio")]) == Applied(new=1)
    assert knowledge.handle([removed("1", "trio"), removed("1", "asyncio")]) == Applied(duplicates=2)
    assert weights(knowledge) == {"trio": -1.0}


def test_an_id_that_the_catalog_does_not_have_is_not_kept(knowledge):
    assert knowledge.handle([removed("1", "words of somebody", "trio"), removed("2", "other words")]) == Applied(new=2)
    assert weights(knowledge) == {"trio": -1.0}


def test_forgetting_an_entity_takes_its_removals_with_it(knowledge):
    events = [removed("1", "trio"), removed("2", "trio", "asyncio")]
    knowledge.handle(events)
    knowledge.forget_entity(ANNA, "trio", days(1))
    for _ in range(2):
        assert weights(knowledge) == {"asyncio": -0.5}
        knowledge.handle(events)
    knowledge.handle([removed("3", "trio", at=days(2))])
    assert weights(knowledge)["trio"] == -1.0


removals = st.lists(
    st.tuples(
        st.integers(0, 6).map(str),
        st.sampled_from([EventKind.QUERY, EventKind.SUGGESTION_REMOVED]),
        st.lists(st.sampled_from(["asyncio", "trio", "planet", "nothing"]), max_size=4),
        st.integers(0, 90),
    ),
    max_size=12,
)


@settings(max_examples=50, deadline=None)
@given(removals, st.lists(st.integers(0, 5), max_size=6))
def test_removals_read_again_from_the_log_give_the_same_store(steps, sizes):
    log = [
        interaction(event_id, kind, at=days(day), user_query=" ".join(ids), entity_ids=tuple(ids))
        for event_id, kind, ids, day in steps
    ]
    whole, cut = (Knowledge(CATALOG, GRAPH, LINKER, MemoryStore()) for _ in range(2))
    whole.handle(log, LogPosition(LOG, 0, len(log)))
    start = 0
    for size in (*sizes, len(log)):
        cut.handle(log[max(start - 2, 0) : start + size], LogPosition(LOG, 0, min(start + size, len(log))))
        start += size
    assert content(cut.store) == content(whole.store)


def test_retrieval_is_of_a_context_or_without_one_of_all_that_the_user_knows(knowledge):
    knowledge.handle(
        [interaction("1", EventKind.QUERY, user_query="asyncio"), interaction("2", EventKind.QUERY, user_query="metal")]
    )
    found = retrieved(knowledge, "asyncio", "trio", "planet")
    assert [(one.mode, one.entity_id) for one in found] == [
        (Mode.FAMILIAR, "asyncio"),
        (Mode.UNFAMILIAR, "trio"),
        (Mode.UNFAMILIAR, "planet"),
        (Mode.UNFAMILIAR, "asyncio"),
        (Mode.NEIGHBOUR, "trio"),
        (Mode.NEIGHBOUR, "gather"),
    ]
    (everything,) = retrieved(knowledge, modes=[Mode.FAMILIAR])
    assert (everything.entity_id, everything.counts) == ("asyncio", {(EventKind.QUERY, Source.QUERY): 1})


def test_forgetting_and_exporting_reach_the_store(knowledge):
    knowledge.handle([interaction("1", EventKind.QUERY, user_query="asyncio trio")])
    assert knowledge.forget_entity(ANNA, "trio", START)["entities"] == 1
    assert [record["record"] for record in knowledge.export(ANNA)] == ["profile", "entity", "forgotten_entity"]
    assert knowledge.forget_user(ANNA, days(1))["entities"] == 1
    assert knowledge.profile(ANNA).forgotten_at == days(1)


@pytest.mark.parametrize("text", ["", "\0", "\0asyncio\0", "\u202easyncio", "\ud800", "asyncio " * 20_000])
def test_texts_of_any_kind_pass_through(knowledge, text):
    batch = [
        interaction("1", EventKind.QUERY, user_query=text),
        interaction("2", EventKind.CLICK, object_id="d", attributes={"title": text}),
    ]
    assert knowledge.handle(batch) == Applied(new=2)
    assert set(weights(knowledge)) <= {"asyncio"}


names = st.lists(st.sampled_from(["asyncio.gather", "trio", "Mercury", "liquid", "?"]), max_size=4)
shown = st.tuples(st.sampled_from([EventKind.IMPRESSION, EventKind.SUGGESTION_SHOWN]), names)
done = st.tuples(
    st.sampled_from([kind for kind in EventKind if kind not in {EventKind.IMPRESSION, EventKind.SUGGESTION_SHOWN}]),
    names,
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(shown, done), max_size=12))
def test_what_the_system_shows_never_changes_what_it_knows(steps):
    def handled(kinds_and_words) -> dict[str, object]:
        knowledge = Knowledge(CATALOG, GRAPH, LINKER, MemoryStore())
        for number, (kind, words) in kinds_and_words:
            text = " ".join(words)
            fields = {"user_query": text, "attributes": {"title": text, "verdict": "relevant"}, "dwell_ms": 30_000}
            at = START + timedelta(hours=number)
            knowledge.handle([interaction(str(number), kind, at=at, object_id="d", **fields)])
        return {state.entity_id: state for state in knowledge.entity_page(ANNA, None, 100)}

    numbered = list(enumerate(steps))
    own = [step for step in numbered if step[1][0] not in {EventKind.IMPRESSION, EventKind.SUGGESTION_SHOWN}]
    assert handled(numbered) == handled(own)


tokens = st.text("qwxzjvk", min_size=10, max_size=14)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(EventKind), tokens, tokens, tokens), min_size=1, max_size=20))
def test_no_word_of_a_query_title_or_page_is_in_the_file(events):
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "store.db")
        knowledge = Knowledge(CATALOG, GRAPH, LINKER, store)
        texts = [f"asyncio {token}" for *_, token in events]
        remember(knowledge, *(Document(f"d{n}", text, f"{text} trio") for n, text in enumerate(texts)))
        for number, (kind, query, title, _) in enumerate(events):
            fields = {"user_query": f"{query} trio", "attributes": {"title": f"{title} Mercury", "other": title}}
            fields |= {"dwell_ms": 9_000, "session_id": title, "entity_ids": (query, "trio")}
            event = interaction(f"{query}-{number}", kind, object_id=f"d{number}", **fields)
            knowledge.handle([event], LogPosition(LOG, 0, number + 1))
        assert content(store)["position"] == len(events)
        written = b"".join(file.read_bytes() for file in Path(folder).iterdir())
        store.close()
        written += (Path(folder) / "store.db").read_bytes()
    assert b"acme" in written
    for _, *secrets in events:
        assert not any(secret.encode() in written for secret in secrets)


LINES = (
    line("asyncio", "asyncio", near=["trio"]),
    line("gather", "gather"),
    line("trio", "trio"),
    line("curio", "curio"),
)
MERGE = '{"merged": "gather", "into": "asyncio"}'


def test_merged_entities_are_read_as_one_and_apart_again_when_the_merge_is_undone():
    store = MemoryStore()
    apart, together = (Knowledge(*linker_for(*LINES, *merges), store) for merges in ((), (MERGE,)))
    apart.handle(
        [
            interaction("1", EventKind.QUERY, user_query="asyncio"),
            interaction("2", EventKind.QUERY, user_query="gather trio"),
        ]
    )
    assert weights(together) == {"asyncio": 2.0, "trio": 1.0}
    assert [state.entity_id for state in together.entity_page(ANNA, None, 1)] == ["asyncio"]
    familiar = retrieved(together, "gather", modes=[Mode.FAMILIAR])
    assert [(found.entity_id, found.count) for found in familiar] == [("asyncio", 2)]
    assert weights(apart) == {"asyncio": 1.0, "gather": 1.0, "trio": 1.0}
    together.handle([removed("3", "gather", "asyncio")])
    assert weights(together) == {"asyncio": 1.0, "trio": 1.0}
    assert weights(apart) == {"asyncio": 0.0, "gather": 1.0, "trio": 1.0}
    assert set(together.one_entity("gather")) == set(together.one_entity("asyncio")) == {"asyncio", "gather"}
    assert apart.one_entity("gather") == ("gather",)


@st.composite
def merging(draw: st.DrawFn) -> tuple[list[tuple[int, bool]], bool, list[tuple[int, bool]]]:
    """What is asked about gather, by the day that it is asked and whether gather is merged when it is read, before it
    is forgotten and after; and whether it is merged when it is forgotten.
    """
    is_merged = draw(st.booleans())
    asked = st.tuples(st.integers(0, 9), st.booleans())
    before = draw(st.lists(asked, max_size=4))
    return [(day, is_merged and merged) for day, merged in before], is_merged, draw(st.lists(asked, max_size=6))


@untimed
@given(merging(), st.booleans())
def test_a_forgotten_entity_does_not_come_back_however_it_is_merged_and_apart_again(schedule, merged_in_the_end):
    before, forgotten_merged, after = schedule
    running, built = MemoryStore(), MemoryStore()

    def over(store: MemoryStore, *, merged: bool) -> Knowledge:
        return Knowledge(*linker_for(*LINES, *([MERGE] if merged else [])), store)

    def ask(store: MemoryStore, number: int, day: int, *, merged: bool) -> None:
        asked = interaction(str(number), EventKind.QUERY, at=days(day), user_query="gather")
        over(store, merged=merged).handle([asked])

    for number, (day, merged) in enumerate(before):
        ask(running, number, day, merged=merged)
    forgetting = over(running, merged=forgotten_merged)
    for entity_id in forgetting.one_entity("gather"):
        forgetting.forget_entity(ANNA, entity_id, days(9))
        over(built, merged=forgotten_merged).forget_entity(ANNA, entity_id, days(9))
    for number, (day, merged) in enumerate([*before, *after, (10, False), (11, True)]):
        ask(running, number, day, merged=merged)
        ask(built, number, day, merged=merged_in_the_end)
    for store in (running, built):
        states = store.entities(ANNA)
        assert (sum(state.count for state in states), min(state.first_seen for state in states)) == (2, days(10))


def test_companions_are_counted_over_those_who_allow_it(knowledge):
    people = [UserKey(tenant, f"u{number}") for tenant in ("acme", "other") for number in range(5)]
    told = [interaction("1", EventKind.QUERY, user=user, user_query="asyncio.gather trio") for user in people]
    knowledge.handle(told)
    knowledge.store.consent(UserKey("other", "u0"), [Choice(START, Purpose.STATISTICS, False)])
    assert count_companions(knowledge.store, knowledge.catalog.redirects) == {"acme": 2, "other": 0}
    (found,) = knowledge.store.companions("acme", ["gather"])["gather"]
    assert (found.entity_id, found.users) == ("trio", 5)
    ann = UserKey("acme", "ann")
    knowledge.handle([interaction("1", EventKind.QUERY, user=ann, user_query="asyncio.gather")])
    neighbours = retrieved(knowledge, modes=[Mode.NEIGHBOUR], user=ann, at=days(1))
    assert [(each.entity_id, each.via, each.via_users) for each in neighbours] == [
        ("asyncio", "gather", 0),
        ("trio", "gather", 5),
    ]


def test_who_is_forgotten_is_out_of_the_next_count(knowledge):
    people = [UserKey("acme", f"u{number}") for number in range(5)]
    told = [interaction("1", EventKind.QUERY, user=user, user_query="asyncio.gather trio") for user in people]
    knowledge.handle(told)
    assert count_companions(knowledge.store, knowledge.catalog.redirects) == {"acme": 2}
    knowledge.forget_user(people[0], days(1))
    assert count_companions(knowledge.store, knowledge.catalog.redirects) == {"acme": 0}
    assert knowledge.store.companions("acme", ["gather", "trio"]) == {}
    assert count_companions(knowledge.store, knowledge.catalog.redirects, 4) == {"acme": 2}
    for user in people:
        knowledge.forget_user(user, days(1))
    assert count_companions(knowledge.store, knowledge.catalog.redirects) == {}
    assert knowledge.store.companions("acme", ["gather", "trio"]) == {}


def test_entities_that_were_merged_count_as_one():
    merged = line("anyio", "anyio"), '{"merged": "anyio", "into": "trio"}'
    knowledge = Knowledge(*linker_for(line("gather", "asyncio.gather"), line("trio", "trio")), MemoryStore())
    before = Knowledge(*linker_for(line("gather", "asyncio.gather"), *merged[:1]), knowledge.store)
    people = [UserKey("acme", f"u{number}") for number in range(6)]
    for number, user in enumerate(people):
        one = before if number % 2 else knowledge
        query = "asyncio.gather anyio" if number % 2 else "asyncio.gather trio"
        one.handle([interaction("1", EventKind.QUERY, user=user, user_query=query)])
    assert count_companions(knowledge.store, knowledge.catalog.redirects, 4) == {"acme": 0}
    after = Knowledge(*linker_for(line("gather", "asyncio.gather"), line("trio", "trio"), *merged), knowledge.store)
    assert count_companions(after.store, after.catalog.redirects, 4) == {"acme": 2}


def test_no_single_user_is_told_of(knowledge):
    with pytest.raises(ValueError, match="2 or more"):
        count_companions(knowledge.store, knowledge.catalog.redirects, 1)
