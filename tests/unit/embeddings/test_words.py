"""A domain's words: what a bag of tokens adds to vectors, and what it leaves as it is."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from attune.embeddings.words import Words

SIZE, VOCABULARY, BEGIN, END = 8, 50, 1, 2


def texts(count: int, seed: int = 0) -> tuple[np.ndarray, list[list[int]]]:
    """Random vectors of length 1, and sequences of random tokens between the two that every one has."""
    numbers = np.random.default_rng(seed)
    vectors = numbers.standard_normal((count, SIZE)).astype(np.float32)
    sequences = [[BEGIN, *numbers.integers(3, VOCABULARY - 5, 6).tolist(), END] for _ in range(count)]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), sequences


def cosines(words: Words | None, vectors: np.ndarray, sequences: list[list[int]]) -> np.ndarray:
    assert words is not None
    found = words(torch.from_numpy(vectors), sequences).numpy()
    return np.asarray(found @ found.T)


def test_texts_with_the_same_words_come_closer_and_others_go_apart() -> None:
    vectors, sequences = texts(200)
    for place, sequence in enumerate(sequences):
        sequence[1:-1] = [10, 11, 12] if place % 2 else [20, 21, 22]

    near = cosines(Words.fitted(vectors, sequences, VOCABULARY), vectors, sequences) - vectors @ vectors.T

    same = np.equal.outer(np.arange(200) % 2, np.arange(200) % 2) & ~np.eye(200, dtype=bool)
    other = np.not_equal.outer(np.arange(200) % 2, np.arange(200) % 2)
    assert near[same].mean() > near[other].mean() + 0.2


def test_where_no_direction_is_cut_the_cosine_is_that_of_vectors_and_bags_together() -> None:
    """Vectors in a plane and four words take six of the eight directions; bags count half as much as vectors."""
    vectors, sequences = texts(300)
    vectors[:, 2:] = 0
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for place, sequence in enumerate(sequences):
        sequence[1:-1] = [10 + place % 4]

    near = cosines(Words.fitted(vectors, sequences, VOCABULARY), vectors, sequences)

    same_word = np.equal.outer(np.arange(300) % 4, np.arange(300) % 4)
    np.testing.assert_allclose(near, (vectors @ vectors.T + 0.5 * same_word) / 1.5, atol=0.01)


def test_tokens_that_every_text_has_and_those_beyond_the_vocabulary_change_nothing() -> None:
    vectors, sequences = texts(100)
    words = Words.fitted(vectors, sequences, VOCABULARY)
    assert words is not None

    bare = [sequence[1:-1] for sequence in sequences]
    more = [[VOCABULARY + 7, *sequence] for sequence in sequences]

    expected = words(torch.from_numpy(vectors), sequences)
    torch.testing.assert_close(words(torch.from_numpy(vectors), bare), expected)
    torch.testing.assert_close(words(torch.from_numpy(vectors), more), expected)


def test_a_text_without_any_known_word_keeps_a_vector() -> None:
    vectors, sequences = texts(100)
    words = Words.fitted(vectors, sequences, VOCABULARY)
    assert words is not None

    found = words(torch.from_numpy(vectors[:2]), [[BEGIN, END], [VOCABULARY - 1] * 3])

    assert torch.allclose(found.norm(dim=1), torch.ones(2), atol=1e-5)


def test_few_texts_keep_the_directions_that_they_do_not_show() -> None:
    """Fitted to three texts in one plane, vectors elsewhere still differ."""
    shown, sequences = texts(3)
    shown[:, 2:] = 0
    others, more = texts(40, seed=1)

    near = cosines(Words.fitted(shown, sequences, VOCABULARY), others, [[BEGIN, END] for _ in more])

    assert np.corrcoef(near.ravel(), (others @ others.T).ravel())[0, 1] > 0.9


@given(st.lists(st.integers(0, VOCABULARY + 3), min_size=1, max_size=40), st.integers(0, 99))
def test_the_vector_of_a_text_does_not_depend_on_its_neighbours(tokens: list[int], place: int) -> None:
    vectors, sequences = texts(100)
    words = Words.fitted(vectors, sequences, VOCABULARY)
    assert words is not None

    alone = words(torch.from_numpy(vectors[place : place + 1]), [tokens])
    sequences[place] = tokens
    among = words(torch.from_numpy(vectors), sequences)[place]

    assert torch.allclose(alone[0], among, atol=1e-5)


def test_a_bag_is_weighted_as_bm25_weighs_words() -> None:
    """Token 10 is in two of four texts, token 20 in one: by hand, roots of idf times saturated counts."""
    vectors = np.eye(4, SIZE, dtype=np.float32)
    words = Words.fitted(vectors, [[1, 10, 2], [1, 10, 2], [1, 20, 2], [1, 30, 2]], VOCABULARY)
    assert words is not None
    idf = {10: np.log(1 + 2.5 / 2.5), 20: np.log(1 + 3.5 / 1.5)}
    np.testing.assert_allclose(words.weights[[1, 10, 20]].numpy(), [0, idf[10] ** 0.5, idf[20] ** 0.5], atol=1e-6)
    shares = np.array([idf[10] ** 0.5 * 3 * 2.2 / (3 + 1.2), idf[20] ** 0.5 * 1 * 2.2 / (1 + 1.2)])
    shares /= np.linalg.norm(shares)
    rows = words.rows[[words.ids.tolist().index(token) for token in (10, 20)]].numpy()
    expected = vectors[0] @ words.mixing.numpy() + shares @ rows
    found = words(torch.from_numpy(vectors[:1]), [[10, 20, 10, 1, 10]])[0].numpy()
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-6)


def test_texts_that_no_word_tells_apart_have_no_words() -> None:
    vectors, _ = texts(5)
    assert Words.fitted(vectors, [[1, 7, 9, 2], [1, 9, 7, 2]] * 2 + [[1, 9, 7, 7, 2]], VOCABULARY) is None


def test_the_tokens_of_a_prompt_tell_nothing() -> None:
    vectors, sequences = texts(60)
    words = Words.fitted(vectors, sequences, VOCABULARY, silent=[40, 41])
    assert words is not None
    prompted = [[BEGIN, 40, 41, *sequence[1:]] for sequence in sequences]
    # Equal but for the order of a sum: the prompt's rows are zeros.
    torch.testing.assert_close(words(torch.from_numpy(vectors), prompted), words(torch.from_numpy(vectors), sequences))
