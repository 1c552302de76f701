"""Texts of the loads: exact lengths by the real tokenizer, distinct, the same for the same seed."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from attune.embeddings.weights import resolve_model
from attune.services.cli.measure.embedding.load.lengths import lengths_of, texts_of
from attune.services.cli.measure.embedding.local.words import Words
from attune.services.cli.measure.embedding.plan import Load
from attune.services.cli.measure.errors import BenchError

WORDS = [f"word{number}" for number in range(50)]


@pytest.fixture(scope="module")
def words() -> Words:
    return Words.load(resolve_model(None))


@pytest.mark.parametrize(("load", "length"), [(Load.Q8, 8), (Load.P128, 128)])
def test_queries_and_passages_have_one_length(load: Load, length: int) -> None:
    assert set(lengths_of(load, 20, seed=3)) == {length}


def test_zipf_lengths_fall_off_as_one_over_the_rank() -> None:
    lengths = lengths_of(Load.ZIPF, 50_000, seed=1)
    counts = Counter(lengths)
    assert min(lengths) == 4
    assert max(lengths) == 256
    assert counts[4] / counts[5] == pytest.approx(2, rel=0.1)
    assert counts[4] / counts[13] == pytest.approx(10, rel=0.2)


@given(st.sampled_from(Load), st.integers(1, 200), st.integers(0, 1000))
def test_the_same_seed_gives_the_same_lengths(load: Load, count: int, seed: int) -> None:
    assert lengths_of(load, count, seed) == lengths_of(load, count, seed)
    assert len(lengths_of(load, count, seed)) == count


@given(st.lists(st.integers(4, 40), max_size=50), st.integers(0, 1000))
def test_texts_have_as_many_words_as_asked_and_are_distinct(lengths: list[int], seed: int) -> None:
    texts = texts_of(lengths, WORDS, 2, seed)
    assert [len(text.split()) + 2 for text in texts] == lengths
    assert len(set(texts)) == len(texts)
    assert texts == texts_of(lengths, WORDS, 2, seed)


def test_another_seed_gives_other_texts() -> None:
    assert set(texts_of([8] * 50, WORDS, 2, seed=1)).isdisjoint(texts_of([8] * 50, WORDS, 2, seed=2))


def test_texts_that_would_be_equal_are_drawn_again() -> None:
    assert sorted(texts_of([3, 3, 3], ["a", "b", "c"], 2, seed=0)) == ["a", "b", "c"]


@pytest.mark.parametrize("load", Load)
def test_the_tokenizer_agrees_with_the_lengths(words: Words, load: Load) -> None:
    lengths = lengths_of(load, 300, seed=5)
    texts = texts_of(lengths, words.words, words.special_tokens, seed=5)
    assert words.lengths(texts) == lengths
    words.verify(texts, lengths)


def test_a_text_of_another_length_is_found(words: Words) -> None:
    with pytest.raises(BenchError, match="'search engine' has 4 tokens, not 8"):
        words.verify(["search engine"], [8])


def test_the_words_are_whole_words_that_people_use(words: Words) -> None:
    assert len(words.words) > 5000
    assert {"search", "query", "house"} <= set(words.words)
    assert all(word.isascii() and word.isalpha() and word.islower() for word in words.words)


def test_stored_padding_and_truncation_do_not_count() -> None:
    tokenizer = Tokenizer.from_file(str(resolve_model(None) / "tokenizer.json"))
    tokenizer.enable_padding(length=16)
    tokenizer.enable_truncation(8)
    assert Words(tokenizer).lengths(["one", "a b c d e f g h i j k l"]) == [3, 14]
