"""Contrastive learning from queries of whole collections: each query's own passage must be nearest, of all of them.

InfoNCE (van den Oord et al., arXiv 1807.03748) with thousands of negatives, so that the hardest ones are among them: it
costs one product, as what is frozen was embedded once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

_TEMPERATURE = 0.05
_WARM_UP_SHARE = 0.1
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Lesson:
    """Queries of one collection: the place of each one's passage [queries], and what makes vectors of either, with
    gradients where they learn.

    `kept` is how much the ranking must stay what it is by the plain vectors of queries and passages, so that people's
    queries keep what they have. `share` is how often the lesson comes, beside the others.
    """

    passage: Places
    passages: int
    query_vectors: Callable[[Places], Tensor]
    passage_vectors: Callable[[Places], Tensor]
    plain: tuple[Tensor, Tensor]
    kept: float = 0.0
    share: float = 1.0


@dataclass(frozen=True)
class Pace:
    """How it is learned: steps of so many queries, against so many passages."""

    steps: int
    batch: int
    passages: int
    learning_rate: float
    seed: int


def learn(
    groups: Sequence[tuple[float, Sequence[nn.Parameter]]],
    lessons: Sequence[Lesson],
    pace: Pace,
    tell: Callable[[int, float], None],
) -> None:
    """Train groups of parameters, each at its part of the learning rate; `tell` is given each step and its loss."""
    random = np.random.default_rng(pace.seed)
    shares = np.array([lesson.share for lesson in lessons])
    rates = [{"params": list(group), "lr": part * pace.learning_rate} for part, group in groups]
    optimizer = torch.optim.Adam(rates)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, pace.steps))
    for step in range(pace.steps):
        lesson = lessons[int(random.choice(len(lessons), p=shares / shares.sum()))]
        loss = _loss(lesson, pace, random)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        tell(step + 1, float(loss.detach()))


def _loss(lesson: Lesson, pace: Pace, random: np.random.Generator) -> Tensor:
    rows = random.permutation(len(lesson.passage))[: pace.batch]
    candidates, wanted = _candidates(lesson.passage[rows], lesson.passages, pace.passages, random)
    logits = lesson.query_vectors(rows) @ lesson.passage_vectors(candidates).T / _TEMPERATURE
    loss = functional.cross_entropy(logits, torch.from_numpy(wanted))
    if not lesson.kept:
        return loss
    queries, passages = lesson.plain
    before = functional.softmax(queries[rows] @ passages[candidates].T / _TEMPERATURE, dim=1)
    after = functional.log_softmax(logits, dim=1)
    return loss + lesson.kept * functional.kl_div(after, before, reduction="batchmean")


def _candidates(passage: Places, passages: int, count: int, random: np.random.Generator) -> tuple[Places, Places]:
    """The queries' own passages, and of the others as many as make `count`; the place in them of each query's own."""
    own, wanted = np.unique(passage, return_inverse=True)
    drawn = random.permutation(passages)
    others = drawn[~np.isin(drawn, own)][: max(0, count - len(own))]
    return np.concatenate([own, others]), wanted


def _rate(step: int, steps: int) -> float:
    warm_up = max(1.0, _WARM_UP_SHARE * steps)
    return min((step + 1) / warm_up, (steps - step) / max(1.0, steps - warm_up))
