import random

import pytest

from attune.embeddings.training.passages import MadeQuery, Passage, QueryMaker

PASSAGES = [
    Passage("Tide tables", "The harbour silts up when the tide is low. Boats wait outside for water!"),
    Passage("", "Bridges swing open for tall ships; the road waits then."),
    Passage("Mud", "x"),
]


def made(count: int = 300, seed: int = 0) -> list[MadeQuery]:
    return QueryMaker(PASSAGES, frozenset({"the", "for"}), seed).make(count)


def test_queries_are_made_of_their_passage():
    for query in made():
        words = set(query.text.lower().replace(".", " ").replace("!", " ").replace(";", " ").split())
        whole = PASSAGES[query.passage].whole.lower().replace(".", " ").replace("!", " ").replace(";", " ")
        assert words <= set(whole.split())
        assert query.text.strip()


def test_there_are_titles_sentences_and_keywords():
    texts = {query.text for query in made() if query.passage == 0}
    assert {"Tide tables", "The harbour silts up when the tide is low.", "Boats wait outside for water!"} < texts
    assert any(text.islower() and "the" not in text.split() for text in texts)


def test_every_passage_comes_in_every_turn():
    queries = made(30)
    for turn in range(0, 30, 3):
        assert {query.passage for query in queries[turn : turn + 3]} == {0, 1, 2}


def test_a_seed_makes_the_same_queries_whatever_else_draws_numbers():
    first = made(seed=1)
    random.seed(5)
    assert made(seed=1) == first != made(seed=2)


@pytest.mark.parametrize(("passage", "whole"), [(PASSAGES[2], "Mud\nx"), (PASSAGES[1], PASSAGES[1].text)])
def test_a_passage_is_embedded_with_its_title(passage, whole):
    assert passage.whole == whole


def test_a_query_that_is_a_part_of_its_passage_keeps_what_is_left_of_it():
    text = "The harbour silts up when the tide is low. Boats wait outside until there is water enough for them all."
    queries = QueryMaker([Passage("Tide tables", text)], frozenset({"the"}), 0).make(100)
    assert {query.rest for query in queries if query.text == "Tide tables"} == {text}
    [rest] = {query.rest for query in queries if query.text == "The harbour silts up when the tide is low."}
    assert "Boats wait outside" in rest
    assert "harbour" not in rest


def test_where_too_little_is_left_there_is_no_rest():
    assert not any(query.rest for query in made() if query.passage == 2)


def test_known_items_all_have_a_rest():
    known = QueryMaker(PASSAGES, frozenset(), 0).make_known(3)
    assert known
    assert all(query.rest for query in known)


def test_of_a_passage_of_one_sentence_some_words_in_a_row_are_taken():
    text = "a mast of spruce is lighter than one of oak, and bends further before it breaks in a gale"
    known = QueryMaker([Passage("", text)], frozenset(), 0).make_known(3)
    assert len(known) == 3
    for query in known:
        assert query.text in text
        assert len(query.rest.split()) + len(query.text.split()) == len(text.split())


def test_where_the_passages_are_too_short_there_are_no_known_items():
    assert QueryMaker([Passage("", "nine words, of which none can be taken away")], frozenset(), 0).make_known(5) == []
