"""The experts that may come of one training, from the cheapest to the dearest, and which of them is used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attune.embeddings.axes import Axes
from attune.embeddings.domains import ExpertKind
from attune.embeddings.mixture.expert_files import axes_tensors
from attune.embeddings.training.frozen import Embed
from attune.embeddings.training.judge import MAIN, DevEvaluator
from attune.embeddings.training.tasks import TypicalTexts

_CLEARLY_BETTER = 0.005
"""A smaller gain on a few hundred kept-back texts is chance, and not worth an expert's memory."""


@dataclass(frozen=True)
class Candidate:
    """An expert that can be used, its figures on texts kept back, and by how much it must be better than a cheaper one.

    Axes need only be better: what they cost or gained on judged collections is in docs/adr/0016-axes.md.
    """

    kind: ExpertKind
    tensors: Mapping[str, Tensor]
    figures: Mapping[str, float]
    margin: float = 0.0


def best_of(general: Mapping[str, float], candidates: Sequence[Candidate]) -> Candidate | None:
    """The expert to use, by the figures of the `general` one and of each; None where none is clearly better."""
    found, mark = None, general[MAIN]
    for candidate in candidates:
        if candidate.figures[MAIN] > mark + candidate.margin:
            found, mark = candidate, candidate.figures[MAIN]
    return found


def in_axes(embed: Embed, texts: TypicalTexts, evaluator: DevEvaluator) -> Candidate:
    """The vectors of `embed` in axes that are fitted to some texts of the domain, and nothing else."""
    axes = Axes.fitted(embed(texts.passages), embed(texts.queries))

    def moved(given: Sequence[str]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = axes(torch.from_numpy(embed(given))).numpy()
        return found

    return Candidate(ExpertKind.AXES, axes_tensors(axes), evaluator.measure(lambda _domain: moved))


def learned(
    kind: ExpertKind, tensors: Mapping[str, Tensor], figures: Mapping[str, float], axes: Candidate | None
) -> Candidate:
    """What was learned, with its own `axes` if these are better."""
    alone = Candidate(kind, tensors, figures, _CLEARLY_BETTER)
    if axes is None or axes.figures[MAIN] <= figures[MAIN]:
        return alone
    return replace(alone, tensors={**tensors, **axes.tensors}, figures=axes.figures)
