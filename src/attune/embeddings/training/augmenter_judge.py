"""How good an augmenter is, on queries that nothing was learned from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.evaluation.finegrained import keyword_queries, span_queries
from attune.embeddings.evaluation.ranking import ndcg
from attune.embeddings.training.collections import Collection, Source, Tell

_JUDGED, _SPAN, _DEPTH = 150, 16, 10
_SEED = 90_001
_MOST_PEOPLE = 500
_NATURAL_LOSS = 0.002
QueryVectors = Callable[[Source, Sequence[str]], NDArray[np.float32]]
PassageVectors = Callable[[Source], NDArray[np.float32]]


@dataclass(frozen=True)
class Judging:
    """Which queries judge: made ones by a seed that is not the training's, and of people's all, or those kept back."""

    seed: int = 0
    kept_back: bool = True


def judge(
    queries: QueryVectors, passages: PassageVectors, sources: Sequence[Source], judging: Judging, tell: Tell
) -> dict[str, float]:
    """nDCG@10 of queries as they are, and by those vectors: means over the collections.

    Keywords and spans are made of the passages; `natural` ones are people's, where there are any.
    """
    figures: dict[str, list[float]] = {}
    for done, source in enumerate(sources, start=1):
        changed = passages(source)
        for name, asked in _asked(source.collection, judging).items():
            texts, wanted = [text for text, _ in asked], [grades for _, grades in asked]
            before, after = source.views.queries(texts) @ source.vectors.T, queries(source, texts) @ changed.T
            figures.setdefault(f"plain_{name}", []).append(mean_ndcg(before, wanted))
            figures.setdefault(name, []).append(mean_ndcg(after, wanted))
        tell("judging", done, len(sources))
    return {name: float(np.mean(values)) for name, values in figures.items()}


def is_better(figures: Mapping[str, float]) -> bool:
    """Whether to augment without being asked: made queries gain, none lose, and people's lose no more than .002."""
    gains = [figures[name] - figures[f"plain_{name}"] for name in ("keywords", "spans") if name in figures]
    natural = figures.get("natural", 0.0) >= figures.get("plain_natural", 0.0) - _NATURAL_LOSS
    return bool(gains) and min(gains) >= 0 and max(gains) > 0 and natural


def gain(figures: Mapping[str, float]) -> float:
    """What made queries gain, keywords and spans alike."""
    gains = [figures[name] - figures[f"plain_{name}"] for name in ("keywords", "spans") if name in figures]
    return sum(gains) / max(1, len(gains))


def _asked(collection: Collection, judging: Judging) -> dict[str, list[tuple[str, Mapping[int, int]]]]:
    people = collection.kept if judging.kept_back else list(collection.queries)
    made = {
        "keywords": keyword_queries(collection.passages, _JUDGED, _SEED + judging.seed),
        "spans": span_queries(collection.passages, _SPAN, _JUDGED, _SEED + judging.seed),
    }
    found: dict[str, list[tuple[str, Mapping[int, int]]]] = {
        name: [(query.text, {query.passage: 1}) for query in queries] for name, queries in made.items()
    }
    return {name: queries for name, queries in (found | {"natural": people[:_MOST_PEOPLE]}).items() if queries}


def mean_ndcg(scores: NDArray[np.float32], wanted: Iterable[Mapping[int, int]]) -> float:
    """Of queries' scores [queries, passages], and the grades of each one's passages by their places."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :_DEPTH]
    return float(np.mean([ndcg_of(row.tolist(), grades) for row, grades in zip(best, wanted, strict=True)]))


def ndcg_of(places: Sequence[int], grades: Mapping[int, int]) -> float:
    """nDCG@10 of a ranking of passages' places, the best first."""
    return ndcg([str(place) for place in places], {str(place): grade for place, grade in grades.items()}, _DEPTH)
