import pytest

from attune.services.cli.measure.retrieval_rows import Measured, summarised

GRADES = [{"a": 1}, {"b": 1}]


def measured(model: str, corpus: str, dense: list[list[str]], way: str = "alone") -> Measured:
    rankings = {"dense": dense, "bm25": [["a"], ["b"]], "fused": [["x", "a"], ["y"]]}
    return Measured.of(model, corpus, way, 7, rankings, GRADES)


def test_a_row_has_the_means():
    row = measured("mine", "law", [["a"], ["x"]]).row()
    assert (row["model"], row["set"], row["documents"], row["queries"]) == ("mine", "law", 7, 2)
    assert (row["ndcg_at_10_dense"], row["ndcg_at_10_bm25"]) == (0.5, 1.0)
    assert (row["recall_at_100"], row["mrr"]) == (0.5, 0.25)


def test_one_model_is_summed_up_alone():
    assert summarised([measured("m", "law", [["a"], ["b"]]), measured("m", "bio", [["a"], ["x"]])]).keys() == {
        "macro_ndcg_at_10_dense",
        "macro_ndcg_at_10_bm25",
        "macro_ndcg_at_10_fused",
    }


def test_the_gain_is_that_over_the_last_model_and_the_worst_set_is_told():
    both, one, none = [["a"], ["b"]], [["a"], ["x"]], [["x"], ["x"]]
    found = summarised(
        [measured("m", "law", both), measured("m", "bio", none), measured("o", "law", none), measured("o", "bio", one)]
    )
    assert found["retrieval_macro_gain"] == pytest.approx(0.25)
    assert found["retrieval_worst_set"] == pytest.approx(-0.5)
    assert found["retrieval_macro_gain_low"] <= 0.25 <= found["retrieval_macro_gain_high"]


def test_routed_queries_are_compared_with_those_whose_domain_is_given():
    found = summarised([measured("m", "law", [["a"], ["b"]], "given"), measured("m", "law", [["a"], ["x"]], "routed")])
    assert found["routed_minus_given"] == pytest.approx(-0.5)
    assert found["macro_ndcg_at_10_dense"] == 0.5
