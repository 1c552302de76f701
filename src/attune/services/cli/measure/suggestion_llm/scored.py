"""The language model as judge: candidates that vectors found, by how likely the model holds each."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.errors import SettingError
from attune.services.cli.measure.suggestion_llm.cases import Case
from attune.services.cli.measure.suggestion_llm.vectors import Vectorizer

_SCORER = Path(__file__).with_name("scorer_process.py")
_CANDIDATES = 50
_HEAD = "Searches of one person, one a line:\n"
WEIGHTS = (0.1, 0.25, 0.5, 1.0, 2.0)
KINDS = ("sum", "mean", "lift")
"""Log-likelihood of a candidate; by token; and by how much the context makes it likelier than no context does."""

Score = Callable[[str, Sequence[str]], NDArray[np.float64]]
"""Of texts behind a context: [n, 2], log-likelihood and number of tokens."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A case with its pool in the order of the vectors, and what the model says of the first candidates."""

    case: Case
    cosines: NDArray[np.float32]
    """Of the candidates, falling."""
    gold_rank: int
    """By the vectors, from 1, in the whole pool."""
    likelihoods: Mapping[str, Mapping[str, NDArray[np.float64]]]
    """By context (query, own history) and kind."""

    def reciprocal_rank(self, weight: float, context: str = "", kind: str = "", *, alone: bool = False) -> float:
        """Of what came next, in the order of z(cosine) + weight * z(likelihood) of the candidates."""
        place = self.gold_rank - 1
        if not context or place >= len(self.cosines):
            return 1 / self.gold_rank
        scores = weight * _z(self.likelihoods[context][kind]) + (0.0 if alone else 1.0) * _z(self.cosines)
        return 1 / (1 + int((scores > scores[place]).sum()))


def rank_all(
    score: Score, cases: Sequence[Case], pool: Sequence[str], vectors: Vectorizer, done: Callable[[], None]
) -> list[Ranked]:
    """Each case's candidates by vectors, with the model's likelihoods."""
    alone: dict[str, NDArray[np.float64]] = {}
    ranked = []
    for case in cases:
        ranked.append(_rank(score, case, pool, vectors, alone))
        done()
    return ranked


def best_mix(dev: Sequence[Ranked]) -> tuple[str, str, float]:
    """Context, kind and weight with the highest MRR on cases that are kept for choosing."""
    choices = product(("query", "own history"), KINDS, WEIGHTS)
    return max(choices, key=lambda each: np.mean([one.reciprocal_rank(each[2], each[0], each[1]) for one in dev]))


@contextmanager
def scorer(python: Path, model: Path) -> Iterator[Score]:
    """A process of another environment that computes likelihoods."""
    command = [str(python), str(_SCORER), str(model)]
    with subprocess.Popen(  # noqa: S603 - what the user names
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:

        def score(context: str, texts: Sequence[str]) -> NDArray[np.float64]:
            assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - they are pipes
            process.stdin.write(json.dumps({"context": context, "texts": list(texts)}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                raise SettingError(
                    f"--scorer-python: {python} cannot score with {model}; it needs llama-cpp-python and numpy"
                )
            return np.asarray(json.loads(line), np.float64)

        try:
            yield score
        finally:
            process.kill()


def _rank(
    score: Score, case: Case, pool: Sequence[str], vectors: Vectorizer, alone: dict[str, NDArray[np.float64]]
) -> Ranked:
    new = [text for text in pool if text not in case.asked]
    cosines = vectors(new) @ vectors([case.query])[0]
    order = np.argsort(-cosines, kind="stable")
    texts = [new[place] for place in order[:_CANDIDATES]]
    unknown = [text for text in texts if text not in alone]
    if unknown:
        alone |= dict(zip(unknown, score(_HEAD, unknown), strict=True))
    apart = np.stack([alone[text] for text in texts])
    contexts = {"query": [case.query], "own history": [*reversed(case.history), case.query]}
    said = {name: score(_HEAD + "".join(f"{each}\n" for each in lines), texts) for name, lines in contexts.items()}
    likelihoods = {
        name: {"sum": each[:, 0], "mean": each[:, 0] / each[:, 1], "lift": each[:, 0] - apart[:, 0]}
        for name, each in said.items()
    }
    rank = 1 + [new[place] for place in order].index(case.next_query)
    return Ranked(case, cosines[order[:_CANDIDATES]], rank, likelihoods)


def _z(values: NDArray[np.floating]) -> NDArray[np.float64]:
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 0 else np.zeros(len(values))
