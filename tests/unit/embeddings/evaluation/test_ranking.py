import pytest

from attune.embeddings.evaluation.ranking import recall, reciprocal_rank

GRADES = {"a": 2, "b": 1, "c": 0}


@pytest.mark.parametrize(("ranked", "expected"), [(["a", "b"], 1.0), (["c", "b"], 0.5), (["c"], 0.0), ([], 0.0)])
def test_recall_counts_relevant_documents(ranked, expected):
    assert recall(ranked, GRADES) == expected


def test_recall_stops_at_its_depth():
    assert recall(["x", "a", "b"], GRADES, depth=2) == 0.5


@pytest.mark.parametrize(("ranked", "expected"), [(["a"], 1.0), (["c", "x", "b"], 1 / 3), (["c", "x"], 0.0)])
def test_reciprocal_rank_is_of_the_first_relevant_document(ranked, expected):
    assert reciprocal_rank(ranked, GRADES) == pytest.approx(expected)


def test_nothing_relevant_gives_nothing():
    assert recall(["a"], {}) == reciprocal_rank(["a"], {}) == 0.0
