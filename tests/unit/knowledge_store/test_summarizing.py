"""A user's next summary: made of the store and the catalog, and kept unless it comes too late."""

import json

import pytest
from tests.unit.knowledge_store.builders import ANNA, BEN, START, days, line, projected

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.consent import Choice, Purpose
from attune.knowledge_store.model import FROM_STORE, Entity, Summary
from attune.knowledge_store.redirects import Redirects
from attune.knowledge_store.store_memory import MemoryStore
from attune.knowledge_store.summarizing import Words, next_summary, plain, summarize, words_from_store

NOW = days(3)
LATER = days(4)
CATALOG = Catalog.load([line("a", "Jazz"), line("b", "Go [game]"), line("c", "Chess")])
MERGED = Catalog.load(
    [line("a", "Jazz"), line("b", "Jazz music"), line("c", "Chess"), json.dumps({"merged": "b", "into": "a"})]
)


@pytest.fixture
def store() -> MemoryStore:
    filled = MemoryStore()
    filled.apply([projected(f"{number}", "a", at=days(2)) for number in range(4)])
    filled.apply([projected("9", "b", at=days(2))])
    return filled


def test_the_first_summary_is_made_of_labels_with_a_watermark(store):
    made = summarize(store, CATALOG, ANNA, NOW)
    assert made == Summary("At the moment: Jazz. Also: Go [game].", 1, 5, NOW, FROM_STORE)
    assert store.summary(ANNA) == made


def test_the_next_one_has_the_next_number_once_it_is_due(store):
    summarize(store, CATALOG, ANNA, NOW, every=2)
    store.apply([projected("10", "c", at=days(3))])
    assert summarize(store, CATALOG, ANNA, LATER, every=2) is None
    store.apply([projected("11", "c", at=days(3))])
    second = summarize(store, CATALOG, ANNA, LATER, every=2)
    assert second is not None
    assert (second.version, second.events, second.made_at) == (2, 7, LATER)
    assert "Chess" in second.text


def test_merged_entities_are_told_as_one_and_named_as_the_record_has_them(store):
    draft = next_summary(store, MERGED, ANNA, NOW)
    assert draft is not None
    assert draft.summary.text == "At the moment: Jazz."
    assert draft.entity_ids == {"a", "b"}
    assert summarize(store, MERGED, ANNA, NOW) == draft.summary


def test_a_user_who_has_the_merged_entity_alone_has_a_summary(store):
    store.forget_entity(ANNA, "a", days(2.5))
    assert summarize(store, MERGED, ANNA, NOW) == Summary("Also: Jazz.", 1, 5, NOW, FROM_STORE)


def test_entities_that_the_catalog_does_not_have_are_left_out(store):
    assert next_summary(store, Catalog.load([line("b", "Go")]), ANNA, NOW).summary.text == "Also: Go."
    assert summarize(store, Catalog.load([line("z")]), ANNA, NOW) is None
    assert store.summary(ANNA) is None


def test_nothing_is_made_of_nobody(store):
    assert summarize(store, CATALOG, BEN, NOW) is None


def test_a_writer_is_told_labels_and_counts_and_named(store):
    told = {}

    def write(portrait, label):
        told.update({label(state.entity_id): state.count for _, states in portrait.parts for state in states})
        return Words("Likes jazz.", "small-1")

    assert summarize(store, CATALOG, ANNA, NOW, write=write) == Summary("Likes jazz.", 1, 5, NOW, "small-1")
    assert told == {"Jazz": 4, "Go [game]": 1}


def test_a_writer_is_not_asked_where_a_user_allows_no_summary(store):
    store.consent(ANNA, [Choice(START, Purpose.SUMMARY, False)])

    def write(_portrait, _label):
        raise AssertionError("asked")

    assert summarize(store, CATALOG, ANNA, NOW, write=write) is None


@pytest.mark.parametrize("event", ["user", "entity", "consent"])
def test_what_is_forgotten_while_the_model_writes_is_not_kept(store, event):
    def write(portrait, label):
        if event == "user":
            store.forget_user(ANNA, days(2.5))
        elif event == "entity":
            store.forget_entity(ANNA, "b", days(2.5))
        else:
            store.consent(ANNA, [Choice(days(2.5), Purpose.SUMMARY, False)])
        return words_from_store(portrait, label)

    assert summarize(store, CATALOG, ANNA, NOW, write=write) is None
    assert store.summary(ANNA) is None


def test_who_begins_anew_while_the_model_writes_is_summarized_again(store):
    def write(portrait, label):
        store.forget_user(ANNA, days(2.5))
        store.apply([projected("20", "a", "b", at=LATER)])
        return words_from_store(portrait, label)

    assert summarize(store, CATALOG, ANNA, NOW, write=write) is not None
    assert list(store.due_for_summary(1000)) == [ANNA]
    assert summarize(store, CATALOG, ANNA, LATER, every=1000).events == 1


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("half \ud800 a character", "half a character"),
        ("two\nlines\x1b[2J\x00", "two lines [2J"),
        ("\u202eturned\u202c", "turned"),
        (
            "\u05d2\u05f3\u05d0\u05d6 \u0645\u06cc\u200c\u0631\u0648\u0645",
            "\u05d2\u05f3\u05d0\u05d6 \u0645\u06cc\u200c\u0631\u0648\u0645",
        ),
        ("x" * 500, "x" * 80),
        ("\x00", "a"),
    ],
    ids=["surrogate", "controls", "override", "right to left", "long", "nothing left"],
)
def test_labels_are_fit_to_be_read_and_sent(store, label, shown):
    catalog = Catalog({"a": Entity("a", label)}, redirects=Redirects())
    text = summarize(store, catalog, ANNA, NOW).text
    assert text == f"At the moment: {shown}."
    assert text.encode()
    assert plain(text) == text
