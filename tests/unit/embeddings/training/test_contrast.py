import numpy as np

from attune.embeddings.training.contrast import _candidates


def test_every_passage_is_a_negative_as_often_as_any_other():
    random, seen = np.random.default_rng(0), np.zeros(6000)
    for _ in range(200):
        own = random.integers(0, 6000, 512)
        candidates, wanted = _candidates(own, 6000, 1536, random)
        assert len(candidates) == len(set(candidates.tolist())) == 1536
        np.testing.assert_array_equal(candidates[wanted], own)
        seen[candidates] += 1
    by_place = seen.reshape(12, 500).mean(axis=1)
    assert by_place.min() > 0.9 * by_place.max()


def test_a_small_collection_is_a_candidate_as_a_whole():
    candidates, wanted = _candidates(np.array([3, 3, 1]), 5, 1536, np.random.default_rng(0))
    assert sorted(candidates.tolist()) == [0, 1, 2, 3, 4]
    assert candidates[wanted].tolist() == [3, 3, 1]
