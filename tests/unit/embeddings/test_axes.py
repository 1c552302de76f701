import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attune.embeddings.axes import Axes


def normalised(count: int, size: int, seed: int, stretch: float = 1.0) -> np.ndarray:
    """About a common direction, and varying most along one axis."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, size)) * np.array([stretch, *[1.0] * (size - 1)]) + 2
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 40), st.integers(2, 20), st.integers(0, 99))
def test_vectors_keep_their_length_whatever_the_axes_were_fitted_to(count, size, seed):
    axes = Axes.fitted(normalised(count, size, seed), normalised(2, size, seed + 1))
    moved = axes(torch.from_numpy(normalised(5, size, seed + 2)))
    torch.testing.assert_close(moved.norm(dim=1), torch.ones(5))
    assert moved.dtype is torch.float32


def test_texts_that_are_alike_in_all_but_one_direction_lie_further_apart():
    passages, queries = normalised(500, 16, 1, stretch=6.0), normalised(100, 16, 2, stretch=6.0)
    axes = Axes.fitted(passages, queries)
    before, after = torch.from_numpy(passages), axes(torch.from_numpy(passages))
    assert float((after @ after.T).mean()) < float((before @ before.T).mean())
    assert float(after[:, 0].var() / after.var(0).mean()) < float(before[:, 0].var() / before.var(0).mean())


def test_equal_vectors_have_axes_too():
    same = np.repeat(normalised(1, 8, 3), 40, axis=0)
    assert bool(torch.isfinite(Axes.fitted(same, same).matrix).all())


def noisy_pairs(count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs that share their first two directions, and nothing in the others, which vary more."""
    random = np.random.default_rng(5)
    shared = random.normal(size=(count, 2))
    sides = [np.concatenate([shared, 2 * random.normal(size=(count, size - 2))], axis=1) for _ in range(2)]
    return tuple((side / np.linalg.norm(side, axis=1, keepdims=True)).astype(np.float32) for side in sides)


def test_in_axes_of_pairs_a_new_text_finds_its_partner():
    firsts, seconds = noisy_pairs(1000, 12)
    axes = Axes.of_pairs(firsts[:800], seconds[:800])
    before = firsts[800:] @ seconds[800:].T
    after = (axes(torch.from_numpy(firsts[800:])) @ axes(torch.from_numpy(seconds[800:])).T).numpy()

    def mean_rank(cosines: np.ndarray) -> float:
        return float((cosines >= np.diag(cosines)[:, None]).sum(1).mean())

    assert mean_rank(after) < mean_rank(before) / 2


@pytest.mark.parametrize("firsts", [normalised(30, 8, 1), np.repeat(normalised(1, 8, 3), 40, axis=0)])
def test_pairs_without_differences_have_axes_too(firsts):
    axes = Axes.of_pairs(firsts, firsts)
    assert bool(torch.isfinite(axes.matrix).all())
    assert bool(torch.isfinite(axes(torch.from_numpy(firsts))).all())
