"""Measures of ranking quality."""

import math
from collections.abc import Mapping, Sequence


def ndcg(ranked: Sequence[str], grades: Mapping[str, int], depth: int = 10) -> float:
    """Normalised discounted cumulative gain at `depth` with linear gains (Järvelin and Kekäläinen, 2002), as trec_eval.

    Args:
        ranked: document ids, the best first.
        grades: grade of each judged document; what is not judged counts 0.
        depth: how many places count.

    Returns:
        A number between 0 and 1; 0 where no document is relevant.
    """
    ideal = _gain(sorted((grade for grade in grades.values() if grade > 0), reverse=True), depth)
    return _gain([max(0, grades.get(each, 0)) for each in ranked], depth) / ideal if ideal else 0.0


def recall(ranked: Sequence[str], grades: Mapping[str, int], depth: int = 100) -> float:
    """The share of the relevant documents that are among the first `depth`; 0 where none is relevant."""
    relevant = {document for document, grade in grades.items() if grade > 0}
    return len(relevant.intersection(ranked[:depth])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranked: Sequence[str], grades: Mapping[str, int], depth: int = 100) -> float:
    """One over the place of the first relevant document; 0 where none is among the first `depth`."""
    places = (place for place, document in enumerate(ranked[:depth], start=1) if grades.get(document, 0) > 0)
    first = next(places, None)
    return 0.0 if first is None else 1 / first


def _gain(grades: Sequence[int], depth: int) -> float:
    return sum(grade / math.log2(place + 1) for place, grade in enumerate(grades[:depth], start=1))
