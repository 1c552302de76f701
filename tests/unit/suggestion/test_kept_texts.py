"""Texts that are kept: no more bytes than allowed, as the allocator counts them, and nothing beside them kept alive."""

import gc
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.suggestion.ranking.kept import KeptTexts
from attune.services.suggestion.ranking.texts import Text

VECTOR = np.ones(384, np.float32)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 400)), max_size=40))
def test_never_more_bytes_than_allowed_and_what_is_counted_is_what_is_there(drawn: list[tuple[str, int]]) -> None:
    kept = KeptTexts(10_000)
    for letter, length in drawn:
        kept.keep(Text.of(letter * length, VECTOR))
        assert kept.bytes <= 10_000
    anew = KeptTexts()
    for text in kept:
        anew.keep(Text.of(text, VECTOR))
    assert anew.bytes == kept.bytes
    kept.clear()
    assert (kept.bytes, list(kept)) == (0, [])


def test_a_text_that_takes_more_than_all_is_not_kept() -> None:
    kept = KeptTexts(5000)
    kept.keep(Text.of("short", VECTOR))
    kept.keep(Text.of("long " * 2000, VECTOR))
    assert (list(kept), kept.bytes) == ([], 0)


def test_the_same_text_otherwise_written_takes_its_place_once() -> None:
    kept = KeptTexts()
    kept.keep(Text.of("Run  Tasks", VECTOR))
    once = kept.bytes
    kept.keep(Text.of("run tasks", VECTOR))
    found = kept.use("RUN tasks")
    assert (list(kept), kept.bytes < once) == (["run tasks"], True)
    assert found is not None
    assert found.text == "run tasks"
    assert kept.use("other") is None


def test_the_array_that_a_vector_was_a_row_of_is_not_kept_alive() -> None:
    """It has the vectors of what the user asked as well."""
    kept, whole = KeptTexts(), np.ones((2, 384), np.float32)
    kept.keep(Text.of("candidate", whole[1]))
    found = kept.use("candidate")
    assert found is not None
    assert found.vector is not None
    assert found.vector.base is None


@pytest.mark.parametrize("words", [1, 3, 40])
def test_the_bytes_are_those_that_the_allocator_counts(words: int) -> None:
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept = KeptTexts()
    for number in range(2000):
        kept.keep(Text.of(f"{' '.join(['Wordy'] * words)} {number}", VECTOR))
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept.bytes == pytest.approx(after - before, rel=0.05)
