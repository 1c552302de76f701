"""Queries made of passages."""

from hypothesis import given, settings
from hypothesis import strategies as st

from attune.embeddings.evaluation.finegrained import keyword_queries, span_queries

WORDS = st.lists(st.sampled_from(["wing", "flow", "mach", "shock", "a", "of", "the", "42", "nozzle"]), max_size=40)
PASSAGES = st.lists(WORDS.map(" ".join), max_size=8)
CORPUS = [f"the {word} of the {word} is {other}" for word, other in zip("abcdefgh", "hgfedcba", strict=True)]


@settings(deadline=None)
@given(PASSAGES, st.integers(0, 20), st.integers(0, 3))
def test_keywords_are_words_of_their_passage_in_its_order(passages, count, seed):
    for query in keyword_queries(passages, count, seed):
        own = list(dict.fromkeys(passages[query.passage].split()))
        asked = query.text.split()
        assert 3 <= len(asked) <= 6
        assert asked == sorted(asked, key=own.index)


@settings(deadline=None)
@given(PASSAGES, st.integers(1, 30), st.integers(0, 20), st.integers(0, 3))
def test_spans_are_so_many_words_in_a_row_of_a_longer_passage(passages, words, count, seed):
    for query in span_queries(passages, words, count, seed):
        assert len(query.text.split()) == words
        assert query.text.split() == passages[query.passage].split()[query.start :][:words]
        assert len(passages[query.passage].split()) >= words + 8


@settings(deadline=None)
@given(PASSAGES, st.integers(0, 5))
def test_the_same_seed_makes_the_same_queries(passages, seed):
    assert keyword_queries(passages, 9, seed) == keyword_queries(passages, 9, seed)
    assert span_queries(passages, 4, 9, seed) == span_queries(passages, 4, 9, seed)


def test_another_seed_makes_others():
    passages = [f"{word} lift drag stall spin yaw" for word in ("wing", "tail", "nose", "fin")]
    assert keyword_queries(passages, 4, 1) != keyword_queries(passages, 4, 2)


def test_every_passage_is_asked_for_once_before_any_is_twice():
    passages = [f"{letter * 3} lift drag stall" for letter in "abcde"]
    places = [query.passage for query in keyword_queries(passages, 10, 0)]
    assert sorted(places[:5]) == sorted(places[5:]) == [0, 1, 2, 3, 4]


def test_the_rare_words_are_the_keywords():
    passages = [
        f"lift of the wing {rare} {rare}s drag by the flow at {rare}ly speed on it" for rare in ("zeta", "iota")
    ]
    passages += ["lift of the wing drag by the flow at speed on it"] * 20
    asked = [query for query in keyword_queries(passages, 44, 0) if query.passage == 0]
    assert any("zeta" in query.text for query in asked)


def test_what_is_too_short_is_not_asked_for():
    assert keyword_queries(["one two", ""], 5, 0) == []
    assert span_queries(["one two three"], 2, 5, 0) == []
