"""A teacher of two rankers: one that sees words, one that sees what a made-up backbone sees."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from attune.embeddings.training.passages import MadeQuery, Passage
from attune.embeddings.training.teacher import HybridTeacher, chosen_share, lexical_shares

PASSAGES = [Passage("", f"{word} stands in the shed beside the {word}") for word in ("anvil", "bellows", "crucible")]
TEXTS = [passage.whole for passage in PASSAGES]
KNOWN = [MadeQuery(f"an {word}", place, f"the {word} is heavy") for place, word in enumerate(("anvil", "bellows"))]


def axes(order: Callable[[str], int]) -> Callable[[Sequence[str]], np.ndarray]:
    """A backbone for which a text lies on the axis that `order` gives it."""
    return lambda texts: np.eye(4, dtype=np.float32)[[order(text) for text in texts]]


def place_of_the_word(text: str) -> int:
    return next((place for place, word in enumerate(("anvil", "bellows", "crucible")) if word in text), 3)


def test_words_and_vectors_are_both_heard():
    vectors = axes(place_of_the_word)(TEXTS)
    query_vectors = axes(lambda _text: 1)(["anvil"])  # the word says the first passage, the vector the second
    lexical = HybridTeacher(TEXTS, vectors, ["anvil"], query_vectors, 1.0)
    semantic = HybridTeacher(TEXTS, vectors, ["anvil"], query_vectors, 0.0)
    assert int(lexical.scores(0).argmax()) == 0
    assert int(semantic.scores(0).argmax()) == 1
    half = HybridTeacher(TEXTS, vectors, ["anvil"], query_vectors, 0.5).scores(0)
    np.testing.assert_allclose(half, (lexical.scores(0) + semantic.scores(0)) / 2, rtol=1e-5)


def test_a_query_of_unknown_words_is_ranked_by_its_vector():
    teacher = HybridTeacher(TEXTS, axes(place_of_the_word)(TEXTS), ["zeppelin"], axes(lambda _text: 2)(["x"]), 0.5)
    assert int(teacher.scores(0).argmax()) == 2


def test_passages_without_a_word_are_ranked_by_their_vectors():
    teacher = HybridTeacher(["a", "the"], np.eye(2, dtype=np.float32), ["a"], np.eye(2, dtype=np.float32)[:1], 0.5)
    assert int(teacher.scores(0).argmax()) == 0


def test_a_backbone_that_finds_everything_needs_no_words():
    found = lexical_shares(TEXTS, KNOWN, axes(place_of_the_word))
    assert found[0.0] == 1.0
    assert chosen_share(found) == 0
    blind = lexical_shares(TEXTS, KNOWN, axes(lambda _text: 3))
    assert blind[0.0] < blind[0.5]
    assert chosen_share(blind) > 0


@pytest.mark.parametrize(
    ("found", "share"),
    [
        ({}, 0.0),
        ({0.0: 0.6, 0.25: 0.605, 0.5: 0.5}, 0.0),
        ({0.0: 0.6, 0.25: 0.7, 0.5: 0.65}, 0.25),
    ],
)
def test_the_share_is_the_best_if_it_is_clearly_better_than_the_backbone_alone(found, share):
    assert chosen_share(found) == share
