import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.embeddings.evaluation.pairs import Judgements, average_precision, best_threshold, draw_apart, f1, judge

texts = st.lists(st.text("abc", min_size=1, max_size=2), min_size=2, max_size=12)
judgements = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=1, max_size=30).map(
    lambda cases: Judgements(np.array([value / 5 for value, _ in cases]), np.array([yes for _, yes in cases]))
)


@given(texts, texts, st.integers(0, 3))
def test_what_is_drawn_apart_is_in_no_pair_together(firsts, seconds, seed):
    count = min(len(firsts), len(seconds))
    firsts, seconds = firsts[:count], seconds[:count]
    together = set(zip(firsts, seconds, strict=True)) | set(zip(seconds, firsts, strict=True))
    for left, right in draw_apart(firsts, seconds, seed):
        assert firsts[left] != seconds[right]
        assert (firsts[left], seconds[right]) not in together


def test_each_first_text_gets_one_that_it_does_not_belong_to():
    assert len(draw_apart(["a", "b", "c"], ["x", "y", "z"], 0)) == 3
    assert draw_apart(["a", "a"], ["x", "y"], 0) == []


def test_the_same_seed_draws_the_same():
    firsts, seconds = [f"a{n}" for n in range(50)], [f"b{n}" for n in range(50)]
    assert draw_apart(firsts, seconds, 1) == draw_apart(firsts, seconds, 1) != draw_apart(firsts, seconds, 2)


def test_pairs_are_judged_by_cosine():
    firsts = np.array([[1, 0], [0, 1]], np.float32)
    judged = judge(firsts, firsts, [(0, 1)])
    assert judged.cosines.tolist() == [1, 1, 0]
    assert judged.together.tolist() == [True, True, False]


def test_the_best_threshold_tells_apart_what_can_be_told():
    judged = Judgements(np.array([0.9, 0.8, 0.3, 0.2]), np.array([True, True, False, False]))
    assert 0.3 < best_threshold(judged) < 0.8
    assert f1(judged, best_threshold(judged)) == 1.0


def test_who_always_says_yes_has_two_thirds():
    judged = Judgements(np.zeros(10), np.arange(10) < 5)
    assert f1(judged, -1.0) == pytest.approx(2 / 3)


@given(judgements)
def test_no_threshold_is_better_than_the_best(judged):
    best = f1(judged, best_threshold(judged))
    assert all(f1(judged, threshold) <= best + 1e-12 for threshold in np.linspace(-1.1, 1.1, 45))


def test_average_precision_of_a_known_order():
    judged = Judgements(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]))
    assert average_precision(judged) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(Judgements(np.zeros(2), np.zeros(2, bool))) == 0.0
