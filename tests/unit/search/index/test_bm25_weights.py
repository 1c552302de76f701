"""BM25 term weights: words, saturation, length, and a query's repeated words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.search.index.bm25 import Bm25Encoder

ENCODER = Bm25Encoder(100.0)


def terms(text: str) -> set[int]:
    return set(ENCODER.query(text).indices)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("asyncio.gather", "gather"),
        ("asyncio.gather", "asyncio"),
        ("os_path", "path"),
        ("os_path", "os_path"),
        ("HTTPServer", "server"),
        ("HTTPServer", "http"),
        ("HTTPServer", "httpserver"),
        ("parseJSON", "json"),
        ("COVID-19", "covid"),
        ("foo/bar", "bar"),
        ("running", "runs"),
        ("Engines", "engine"),
        ("日本語 テスト", "テスト"),
    ],
)
def test_a_text_has_the_term_of_each_of_its_words(text: str, word: str) -> None:
    assert terms(word)
    assert terms(word) <= terms(text)


@pytest.mark.parametrize("text", ["", " ", "the of and", "don't", "...", "?!"])
def test_text_without_words_has_no_terms(text: str) -> None:
    assert not ENCODER.query(text)
    assert not ENCODER.document("", text)


@pytest.mark.parametrize(("one", "other"), [("http", "https"), ("p53", "p54"), ("cafe", "café"), ("x1", "x")])
def test_different_words_have_different_terms(one: str, other: str) -> None:
    assert terms(one).isdisjoint(terms(other))


def test_signs_are_no_words() -> None:
    assert terms("C++") == terms("C#") == terms("c")


def test_title_and_text_are_one_bag_of_words() -> None:
    assert ENCODER.document("wing", "lift") == ENCODER.document("", "wing lift")
    assert terms("wing lift") == set(ENCODER.document("wing", "lift").indices)


def test_the_words_of_title_and_text_do_not_join() -> None:
    assert terms("wing") <= set(ENCODER.document("wing", "lift").indices)


@pytest.mark.parametrize("frequency", [1, 2, 5, 50])
def test_document_weights_follow_okapi(frequency: int) -> None:
    length = frequency + 3
    weights = ENCODER.document("", "wing " * frequency + "lift drag plate")
    norm = 1.2 * (0.25 + 0.75 * length / 100)
    expected = sorted([2.2 / (norm + 1)] * 3 + [2.2 * frequency / (norm + frequency)])
    assert sorted(weights.values) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("frequency", [1, 2, 5, 50])
def test_query_weights_saturate_with_k3_and_ignore_length(frequency: int) -> None:
    weights = ENCODER.query("wing " * frequency + "lift")
    assert sorted(weights.values) == pytest.approx([1.0, 9 * frequency / (8 + frequency)], rel=1e-5)


def test_a_longer_average_forgives_longer_documents() -> None:
    text = "wing " + " ".join(f"word{i}" for i in range(200))
    short, long = (Bm25Encoder(average).document("", text).values[0] for average in (40.0, 400.0))
    assert short < long


@pytest.mark.parametrize("average_length", [0.0, -1.0, math.nan])
def test_the_average_length_must_be_positive(average_length: float) -> None:
    with pytest.raises(ValueError, match=r"bm25_average_length is .*: give the mean number of terms, above 0"):
        Bm25Encoder(average_length)


@given(title=st.text(max_size=50), text=st.text(max_size=200))
def test_any_text_gives_distinct_terms_with_bounded_weights(title: str, text: str) -> None:
    for weights, bound in ((ENCODER.document(title, text), 2.2), (ENCODER.query(text), 9.0)):
        assert len(weights.indices) == len(weights.values) == len(set(weights.indices))
        assert all(0 < value <= bound for value in weights.values)


@given(words=st.permutations(["wing", "lift", "lift", "drag", "asyncio.gather"]))
def test_the_order_of_words_does_not_matter(words: list[str]) -> None:
    def as_mapping(text: str) -> dict[int, float]:
        weights = ENCODER.document("", text)
        return dict(zip(weights.indices, weights.values, strict=True))

    assert as_mapping(" ".join(words)) == as_mapping("wing lift lift drag asyncio.gather")
