"""Cutting: passages cover the text, fit, overlap, and end where sentences do."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.search.cutting import cut

SENTENCE = "The quick brown fox jumps over the lazy dog. "
TEXT = st.text(st.sampled_from("ab .!?\n\t。"), max_size=600)


@given(text=TEXT, size=st.integers(2, 120))
def test_passages_fit_and_cover_the_text_in_order(text: str, size: int) -> None:
    spans = cut(text, size)
    assert all(0 <= start < end <= len(text) and end - start <= size for start, end in spans)
    assert spans == sorted(set(spans))
    covered = {place for start, end in spans for place in range(start, end)}
    assert {place for place, letter in enumerate(text) if not letter.isspace()} <= covered
    for start, end in spans:
        assert text[start:end] == text[start:end].strip()


@given(st.text(max_size=50))
def test_a_short_text_is_one_passage(text: str) -> None:
    stripped = text.strip()
    start = len(text) - len(text.lstrip())
    assert cut(text, 50) == ([(start, start + len(stripped))] if stripped else [])


def test_passages_end_with_sentences_and_overlap_by_whole_ones() -> None:
    text = SENTENCE * 40
    spans = cut(text, 500)
    assert all(text[start:end].startswith("The quick") and text[start:end].endswith("dog.") for start, end in spans)
    for (_, end), (start, _) in pairwise(spans):
        assert 0 < end - start <= 150


def test_passages_are_about_equally_long() -> None:
    lengths = [end - start for start, end in cut(SENTENCE * 25, 1000)]
    assert len(lengths) == 2
    assert min(lengths) > 0.75 * max(lengths)


def test_paragraphs_are_kept_together_where_they_fit() -> None:
    first, second = SENTENCE * 9, SENTENCE * 8
    text = f"{first.strip()}\n\n{second}"
    assert cut(text, 500)[0] == (0, len(first.strip()))


def test_a_text_without_spaces_is_cut_all_the_same() -> None:
    spans = cut("x" * 1000, 300)
    assert len(spans) == 4
    assert all(end - start <= 300 for start, end in spans)


def test_east_asian_sentences_end_too() -> None:
    text = "今日は天気がいいです。" * 30
    assert all(text[start:end].endswith("。") for start, end in cut(text, 100))


def test_a_size_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="size is 1: give at least 2"):
        cut("text", 1)


def test_a_megabyte_is_cut_in_no_time() -> None:
    assert len(cut(SENTENCE * 23_000, 1000)) > 1000
    for letters in ("." * 1_000_000, "\n" * 1_000_000, ".)" * 500_000, " " * 1_000_000, "\n " * 500_000):
        assert len(cut(f"{letters}x", 1000)) >= 1
