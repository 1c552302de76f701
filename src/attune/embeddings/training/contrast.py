"""Contrastive learning against vectors that stay: each query's own passage must be nearest, of all its collection.

InfoNCE (van den Oord et al., arXiv 1807.03748) with a whole collection as the negatives, so that the hardest ones are
always among them; it costs one product, as the passages were embedded once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

_TEMPERATURE = 0.05
_MOST_NEGATIVES = 6000
_WARM_UP_SHARE = 0.1


@dataclass(frozen=True)
class Lesson:
    """Queries of one collection: how many there are, the place of each one's passage, and all passages' vectors."""

    count: int
    passage: NDArray[np.int64]
    passages: Tensor
    vectors: Callable[[Sequence[int]], Tensor]
    """Places of queries to their vectors [n, d], with gradients."""


def learn(
    parameters: Sequence[nn.Parameter],
    lessons: Sequence[Lesson],
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int,
    tell: Callable[[int, float], None],
) -> None:
    """Train the parameters; `tell` is given each step's number and loss. Larger collections come more often."""
    random = np.random.default_rng(seed)
    shares = np.sqrt([lesson.count for lesson in lessons])
    optimizer = torch.optim.AdamW(list(parameters), lr=learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    for step in range(steps):
        lesson = lessons[int(random.choice(len(lessons), p=shares / shares.sum()))]
        rows = random.permutation(lesson.count)[:batch]
        loss = _loss(lesson, rows, random)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        tell(step + 1, float(loss.detach()))


def _loss(lesson: Lesson, rows: NDArray[np.int64], random: np.random.Generator) -> Tensor:
    own, wanted = np.unique(lesson.passage[rows], return_inverse=True)
    others = np.setdiff1d(random.permutation(len(lesson.passages))[:_MOST_NEGATIVES], own)
    candidates = lesson.passages[torch.from_numpy(np.concatenate([own, others]))]
    cosines = lesson.vectors(rows.tolist()) @ candidates.T
    return functional.cross_entropy(cosines / _TEMPERATURE, torch.from_numpy(wanted))


def _rate(step: int, steps: int) -> float:
    warm_up = max(1.0, _WARM_UP_SHARE * steps)
    return min((step + 1) / warm_up, (steps - step) / max(1.0, steps - warm_up))
