"""How good an expert is on what was kept back from its training; decides when to stop, and whether it is used."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.evaluation import BaseEvaluator

from attune.embeddings.evaluation.pairs import average_precision, best_threshold, draw_apart, f1, judge
from attune.embeddings.training.pairs import TextPair
from attune.embeddings.training.passages import MadeQuery, Passage
from attune.embeddings.training.teacher import HybridTeacher

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to normalised vectors [n, d]."""
MAIN = "dev"
_DEPTH = 10


class Judge(Protocol):
    """One way to see how good an embedding is."""

    def measure(self, embed: Embed) -> dict[str, float]:
        """Figures by their names; of `main`, more is better."""
        ...

    @property
    def main(self) -> str:
        """The figure that decides."""
        ...


class PairJudge:
    """Tells pairs that belong together from those that do not, by a threshold chosen on these pairs: for dev only."""

    main = "average_precision"

    def __init__(self, pairs: Sequence[TextPair], seed: int) -> None:
        self._firsts = [pair.a for pair in pairs]
        self._seconds = [pair.b for pair in pairs]
        self._apart = draw_apart(self._firsts, self._seconds, seed)

    def measure(self, embed: Embed) -> dict[str, float]:
        """Average precision, the highest F1, and from which cosine on it is."""
        judged = judge(embed(self._firsts), embed(self._seconds), self._apart)
        threshold = best_threshold(judged)
        return {"average_precision": average_precision(judged), "f1max": f1(judged, threshold), "threshold": threshold}


class RankingJudge:
    """How much of the teacher's first ten passages, of a `sample` of all, the embedding finds for queries of its own.

    `places` are the queries' in the teacher.
    """

    main = "teacher_overlap"

    def __init__(
        self,
        queries: Sequence[MadeQuery],
        places: range,
        passages: Sequence[Passage],
        sample: Sequence[int],
        teacher: HybridTeacher,
    ) -> None:
        self._queries = [query.text for query in queries]
        self._passages = [passages[place].whole for place in sample]
        self._wanted = [set(np.argsort(-teacher.scores(place)[sample])[:_DEPTH].tolist()) for place in places]

    def measure(self, embed: Embed) -> dict[str, float]:
        """The mean share."""
        scores = embed(self._queries) @ embed(self._passages).T
        found = np.argsort(-scores, axis=1)[:, :_DEPTH]
        shares = [
            len(wanted.intersection(row.tolist())) / _DEPTH for wanted, row in zip(self._wanted, found, strict=True)
        ]
        return {self.main: float(np.mean(shares))}


class DevEvaluator(BaseEvaluator):
    """All judges together, as the trainer asks; `dev`, the mean of what decides for each, chooses the checkpoint.

    A judge is given the vectors of its domain's expert. `dtype` is what products are computed in.
    """

    def __init__(self, judges: Sequence[tuple[Judge, str]], dtype: torch.dtype) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._judges = judges
        self._dtype = dtype
        self.primary_metric = MAIN

    def __call__(self, model: Any, *_where: Any, **_when: Any) -> dict[str, float]:
        """The figures of each domain's expert, as it is: means over domains, where there are several."""
        return self.measure(lambda domain: partial(_embed, model, domain, self._dtype))

    def measure(self, embed_of: Callable[[str], Embed]) -> dict[str, float]:
        """The same of anything that embeds the texts of a domain."""
        figures: dict[str, list[float]] = {}
        for one, domain in self._judges:
            measured = one.measure(embed_of(domain))
            for name, value in {MAIN: measured[one.main], **measured}.items():
                figures.setdefault(name, []).append(value)
        return {name: float(np.mean(values)) for name, values in figures.items()}


def _embed(model: SentenceTransformer, domain: str, dtype: torch.dtype, texts: Sequence[str]) -> NDArray[np.float32]:
    """The vectors [n, d] of a domain's expert, normalised."""
    with torch.autocast(model.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
        vectors = model.encode(
            list(texts), task=domain, batch_size=64, normalize_embeddings=True, show_progress_bar=False
        )
    return np.asarray(vectors, np.float32)
