"""The language model as judge: the ranker's first candidates, by how likely the model holds each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from attune.services.cli.measure.suggestion.ladder import SERVED, CrossFitted
from attune.services.cli.measure.suggestion.scores import rank_of
from attune.services.cli.measure.suggestion_llm.cases import Case
from attune.services.cli.measure.suggestion_llm.scorer import Score

CANDIDATES = 50
_HEAD = "Searches of one person, one a line:\n"
WEIGHTS = (0.1, 0.25, 0.5, 1.0, 2.0)
CONTEXTS = ("query", "own history")
KINDS = ("sum", "mean", "lift")
"""Log-likelihood of a candidate; by token; and by how much the context makes it likelier than no context does."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A case with the ranker's first candidates, and what the model says of them."""

    case: Case
    scores: NDArray[np.float64]
    """The ranker's, of its candidates, falling."""
    gold: int | None
    """Which candidate was asked next; None where it is not among them."""
    rank: float
    """Of what was asked next by the ranker, from 1, in the whole pool."""
    rank_by_query: float
    """The same by the cosine to the query."""
    likelihoods: Mapping[str, Mapping[str, NDArray[np.float64]]]
    """By context and kind."""

    def mixed_rank(self, weight: float, context: str, kind: str) -> float:
        """Of what was asked next, in the order of z(ranker) + weight * z(likelihood) of the candidates."""
        return self._rank_by(_z(self.scores) + weight * _z(self.likelihoods[context][kind]))

    def judged_rank(self, context: str, kind: str) -> float:
        """The same, in the order of the likelihood alone."""
        return self._rank_by(self.likelihoods[context][kind])

    def _rank_by(self, scores: NDArray[np.float64]) -> float:
        return self.rank if self.gold is None else rank_of(scores, self.gold, np.ones(len(scores), bool))


def rank_all(score: Score, cases: Sequence[Case], ranker: CrossFitted, done: Callable[[], None]) -> list[Ranked]:
    """Each case's candidates by a ranker that has learned from other users, with the model's likelihoods."""
    judge = _Judge(score)
    ranked = []
    for case in cases:
        ranked.append(_rank(judge, case, ranker))
        done()
    return ranked


def best_mix(dev: Sequence[Ranked]) -> tuple[str, str, float]:
    """Context, kind and weight with the highest MRR on cases that are kept for choosing."""
    choices = product(CONTEXTS, KINDS, WEIGHTS)
    return max(choices, key=lambda each: mrr([one.mixed_rank(each[2], each[0], each[1]) for one in dev]))


def best_alone(dev: Sequence[Ranked]) -> tuple[str, str]:
    """Context and kind with the highest MRR by the likelihood alone."""
    return max(product(CONTEXTS, KINDS), key=lambda each: mrr([one.judged_rank(*each) for one in dev]))


def mrr(ranks: Sequence[float]) -> float:
    """Of ranks from 1."""
    return float(np.mean(1 / np.array(ranks)))


class _Judge:
    """Asks for what it has not asked yet."""

    def __init__(self, score: Score) -> None:
        self._score = score
        self._alone: dict[str, float] = {}

    def likelihoods(self, case: Case, texts: Sequence[str]) -> dict[str, dict[str, NDArray[np.float64]]]:
        """By context and kind, [texts]."""
        apart = self._without_context(texts)
        before = {"query": [case.query], "own history": [*reversed(case.history), case.query]}
        said = {name: self._score(_HEAD + _lines(before[name]), texts) for name in CONTEXTS}
        return {
            name: {"sum": each[:, 0], "mean": each[:, 0] / each[:, 1], "lift": each[:, 0] - apart}
            for name, each in said.items()
        }

    def _without_context(self, texts: Sequence[str]) -> NDArray[np.float64]:
        unknown = [text for text in texts if text not in self._alone]
        if unknown:
            self._alone |= dict(zip(unknown, self._score(_HEAD, unknown)[:, 0].tolist(), strict=True))
        return np.array([self._alone[text] for text in texts])


def _rank(judge: _Judge, case: Case, ranker: CrossFitted) -> Ranked:
    world = ranker.world
    scores = np.asarray(ranker.model(case.user).scores(world.values(case.place, SERVED)), np.float64)
    allowed, gold = world.allowed(world.log.cases[case.place], new=True), world.places[case.next_query]
    candidates = np.argsort(-np.where(allowed, scores, -np.inf), kind="stable")[:CANDIDATES]
    candidates = candidates[allowed[candidates]]
    vector = world.encoded[case.query].vector
    cosines = world.block.cosines(vector) if vector is not None else np.zeros(len(scores))
    return Ranked(
        case=case,
        scores=scores[candidates],
        gold=next(iter(np.flatnonzero(candidates == gold).tolist()), None),
        rank=rank_of(scores, gold, allowed),
        rank_by_query=rank_of(np.asarray(cosines, np.float64), gold, allowed),
        likelihoods=judge.likelihoods(case, [world.log.pool[place] for place in candidates]),
    )


def _lines(texts: Sequence[str]) -> str:
    return "".join(f"{each}\n" for each in texts)


def _z(values: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 0 else np.zeros(len(values))
