"""Do two texts belong together? The paper's task (Hallee et al., arXiv 2401.15713, section 2.4), by cosine.

As many pairs that do not are drawn as there are that do, so a judge who always says yes has an F1 of 0.667.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Judgements:
    """Cosines of pairs, and which of the pairs belong together."""

    cosines: NDArray[np.float64]
    together: NDArray[np.bool_]


def draw_apart(firsts: Sequence[str], seconds: Sequence[str], seed: int) -> list[tuple[int, int]]:
    """For each first text the place of a second one that is in no pair with it, drawn at random: (first, second).

    Texts that belong together with all others get none.
    """
    together: dict[str, set[str]] = {}
    for first, second in zip(firsts, seconds, strict=True):
        together.setdefault(first, {first}).add(second)
        together.setdefault(second, {second}).add(first)
    random = np.random.default_rng(seed)
    drawn = []
    for place, first in enumerate(firsts):
        order = random.permutation(len(seconds))
        apart = next((int(other) for other in order if seconds[other] not in together[first]), None)
        if apart is not None:
            drawn.append((place, apart))
    return drawn


def judge(firsts: NDArray[np.float32], seconds: NDArray[np.float32], apart: Sequence[tuple[int, int]]) -> Judgements:
    """The pairs (i, i) of normalised vectors [n, d], which belong together, and those in `apart`, which do not."""
    left, right = (np.array(each, dtype=int) for each in zip(*apart, strict=True)) if apart else (np.zeros(0, int),) * 2
    cosines = np.concatenate([(firsts * seconds).sum(1), (firsts[left] * seconds[right]).sum(1)]).astype(np.float64)
    return Judgements(cosines, np.arange(len(cosines)) < len(firsts))


def best_threshold(judged: Judgements) -> float:
    """The cosine from which on to say yes, so that F1 is the highest on these pairs."""
    order = np.argsort(-judged.cosines, kind="stable")
    cosines = judged.cosines[order]
    scores = _f1_of_the_first(judged.together[order])
    scores[:-1][cosines[:-1] == cosines[1:]] = -1.0  # equal cosines cannot be told apart
    best = int(scores.argmax())
    following = cosines[best + 1] if best + 1 < len(cosines) else -1.0
    return float((cosines[best] + following) / 2)


def f1(judged: Judgements, threshold: float) -> float:
    """The F1 of saying yes from that cosine on."""
    said = judged.cosines >= threshold
    right = int((said & judged.together).sum())
    return 2 * right / max(1, int(said.sum()) + int(judged.together.sum()))


def average_precision(judged: Judgements) -> float:
    """The mean precision at each pair that belongs together, by falling cosine; needs no threshold."""
    together = judged.together[np.argsort(-judged.cosines, kind="stable")]
    precision = together.cumsum() / np.arange(1, len(together) + 1)
    return float(precision[together].mean()) if together.any() else 0.0


def _f1_of_the_first(together: NDArray[np.bool_]) -> NDArray[np.float64]:
    """[n]: the F1 of saying yes to the first 1, 2, ... n."""
    found: NDArray[np.float64] = 2 * together.cumsum() / (np.arange(1, len(together) + 1) + together.sum())
    return found
