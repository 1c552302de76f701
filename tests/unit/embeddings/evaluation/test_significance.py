import numpy as np
import pytest

from attune.embeddings.evaluation.significance import bootstrap, paired_difference, resampled_all


def test_the_interval_is_about_the_mean():
    cases = np.random.default_rng(0).normal(5, 1, 400).tolist()
    interval = bootstrap(cases)
    assert interval.low < interval.mean < interval.high
    assert interval.high - interval.low == pytest.approx(4 * 1 / 20, rel=0.2)  # two standard errors each way


def test_equal_measurements_do_not_differ():
    interval = paired_difference([0.1, 0.9, 0.4], [0.1, 0.9, 0.4])
    assert (interval.low, interval.mean, interval.high) == (0, 0, 0)


def test_pairing_sees_what_the_cases_hide():
    theirs = np.random.default_rng(0).normal(0, 10, 100)
    assert paired_difference((theirs + 1).tolist(), theirs.tolist()).low > 0.99


def test_groups_are_drawn_each_from_its_own_cases():
    seen = []
    resampled_all([3, 5], lambda drawn: seen.append([len(each) for each in drawn]) or float(drawn[1].max()))
    assert set(map(tuple, seen)) == {(3, 5)}
