"""How good an expert is on what was kept back from its training; decides when to stop, and whether it is used."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.evaluation import BaseEvaluator

from attune.embeddings.evaluation.pairs import average_precision, best_threshold, draw_apart, f1, judge
from attune.embeddings.training.frozen import Embed
from attune.embeddings.training.pairs import TextPair
from attune.embeddings.training.passages import MadeQuery, Passage
from attune.embeddings.training.teacher import HybridTeacher

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

    @property
    def taken(self) -> Mapping[str, MadeQuery]:
        """Passages that it asks for, each with the query that was taken from it."""
        ...


class PairJudge:
    """Tells pairs that belong together from those that do not, by a threshold chosen on these pairs: for dev only."""

    main = "average_precision"

    def __init__(self, pairs: Sequence[TextPair], seed: int) -> None:
        self.taken: Mapping[str, MadeQuery] = {}
        self._firsts = [pair.a for pair in pairs]
        self._seconds = [pair.b for pair in pairs]
        self._apart = draw_apart(self._firsts, self._seconds, seed)

    def measure(self, embed: Embed) -> dict[str, float]:
        """Average precision, the highest F1, and from which cosine on it is."""
        judged = judge(embed(self._firsts), embed(self._seconds), self._apart)
        threshold = best_threshold(judged)
        return {"average_precision": average_precision(judged), "f1max": f1(judged, threshold), "threshold": threshold}


class RankingJudge:
    """How well an embedding searches a `sample` of the passages with queries of its own, seen in two ways.

    Where the rest of a passage stands by what was taken from it, for the `known` queries; and, where there is a
    teacher, which of its first ten passages are the embedding's too. The former decides: on judged collections it rose
    and fell with nDCG of people's queries, while the latter fell with both (docs/adr/0015-experts-and-training.md).
    """

    main = "ranking"

    def __init__(self, passages: Sequence[Passage], sample: Sequence[int], known: Sequence[MadeQuery]) -> None:
        self._sample = sample
        self._passages = [passages[place].whole for place in sample]
        self.taken = {passages[query.passage].whole: query for query in known}
        self._known = known
        self._others = [np.array([place != query.passage for place in sample]) for query in known]
        self._queries: Sequence[str] = ()
        self._wanted: Sequence[set[int]] = ()

    def with_teacher(self, queries: Sequence[str], places: range, teacher: HybridTeacher) -> Self:
        """Judging by the teacher too: by those of its queries that are at `places`."""
        self._queries = [queries[place] for place in places]
        self._wanted = [set(np.argsort(-teacher.scores(place)[self._sample])[:_DEPTH].tolist()) for place in places]
        return self

    def measure(self, embed: Embed) -> dict[str, float]:
        """The mean share of the teacher's first ten, and the mean reciprocal rank of rests; `ranking` is what decides.

        A figure for which there are no queries is left out.
        """
        passages, figures = embed(self._passages), {}
        if self._queries:
            figures["teacher_overlap"] = self._overlap(embed, passages)
        if self._known:
            figures["known_item_mrr"] = self._known_items(embed, passages)
        return {self.main: figures.get("known_item_mrr", 0.0), **figures}

    def _overlap(self, embed: Embed, passages: NDArray[np.float32]) -> float:
        found = np.argsort(-(embed(self._queries) @ passages.T), axis=1)[:, :_DEPTH]
        shares = [
            len(wanted.intersection(row.tolist())) / _DEPTH for wanted, row in zip(self._wanted, found, strict=True)
        ]
        return float(np.mean(shares))

    def _known_items(self, embed: Embed, passages: NDArray[np.float32]) -> float:
        queries, rests = (embed(texts) for texts in zip(*((each.text, each.rest) for each in self._known), strict=True))
        own = (queries * rests).sum(1)
        ranks = [
            1 + int((passages[others] @ query >= score).sum())
            for query, score, others in zip(queries, own, self._others, strict=True)
        ]
        return float(np.mean(1 / np.array(ranks)))


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
        return self.measure(partial(self.embed_of, model))

    def embed_of(self, model: SentenceTransformer, domain: str) -> Embed:
        """The vectors [n, d] of a domain's expert as it is, normalised."""
        return partial(_embed, model, domain, self._dtype)

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
