"""What came of judged queries: a row for each model and corpus, and what they come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Self

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.evaluation.ranking import ndcg, recall, reciprocal_rank
from attune.embeddings.evaluation.significance import Interval, resampled_all
from attune.services.cli.measure.report import Row

RANKINGS = ("dense", "bm25", "fused")


@dataclass(frozen=True)
class Measured:
    """One model on one corpus, searched in one way. `ndcg` has for each ranking a value for each query."""

    model: str
    corpus: str
    way: str
    documents: int
    ndcg: Mapping[str, Sequence[float]]
    recall: float
    mrr: float

    @classmethod
    def of(
        cls,
        model: str,
        corpus: str,
        way: str,
        documents: int,
        rankings: Mapping[str, Sequence[Sequence[str]]],
        grades: Sequence[Mapping[str, int]],
    ) -> Self:
        """From each ranking's documents, the best first, and the judgements, query by query."""
        scores = {
            name: [ndcg(ids, judged) for ids, judged in zip(found, grades, strict=True)]
            for name, found in rankings.items()
        }
        fused = list(zip(rankings["fused"], grades, strict=True))
        found = fmean(recall(ids, judged) for ids, judged in fused)
        first = fmean(reciprocal_rank(ids, judged) for ids, judged in fused)
        return cls(model, corpus, way, documents, scores, found, first)

    def row(self) -> Row:
        """The means. Recall@100 and MRR are of the fused ranking."""
        return {
            "model": self.model,
            "set": self.corpus,
            "way": self.way,
            "documents": self.documents,
            "queries": len(self.ndcg["fused"]),
            **{f"ndcg_at_10_{name}": fmean(self.ndcg[name]) for name in RANKINGS},
            "recall_at_100": self.recall,
            "mrr": self.mrr,
        }


def summarised(measured: Sequence[Measured]) -> dict[str, float]:
    """Macro means of the first model, and differences: to the last model, and of routed to given queries."""
    models = list(dict.fromkeys(each.model for each in measured))
    ways = list(dict.fromkeys(each.way for each in measured))
    first = [each for each in measured if each.model == models[0] and each.way == ways[-1]]
    summary = {f"macro_ndcg_at_10_{name}": fmean(fmean(each.ndcg[name]) for each in first) for name in RANKINGS}
    if len(models) > 1:
        other = [each for each in measured if each.model == models[-1] and each.way == ways[-1]]
        gains = [
            fmean(ours.ndcg["dense"]) - fmean(theirs.ndcg["dense"]) for ours, theirs in zip(first, other, strict=True)
        ]
        summary |= _interval("retrieval_macro_gain", first, other) | {"retrieval_worst_set": min(gains)}
    if len(ways) > 1:
        given = [each for each in measured if each.model == models[0] and each.way == ways[0]]
        summary |= _interval("routed_minus_given", first, given)
    return summary


def _interval(name: str, ours: Sequence[Measured], theirs: Sequence[Measured]) -> dict[str, float]:
    """Of the difference of macro dense nDCG@10, with the same queries drawn for both, corpus by corpus."""
    differences = [
        np.array(one.ndcg["dense"]) - np.array(other.ndcg["dense"]) for one, other in zip(ours, theirs, strict=True)
    ]

    def macro(drawn: Sequence[NDArray[np.intp]]) -> float:
        return fmean(float(each[places].mean()) for each, places in zip(differences, drawn, strict=True))

    found: Interval = resampled_all([len(each) for each in differences], macro)
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
