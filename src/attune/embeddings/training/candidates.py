"""The experts that may come of one training, from the cheapest to the dearest, and which of them is used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from attune.embeddings.domains import ExpertKind
from attune.embeddings.mixture.expert_files import head_tensors
from attune.embeddings.training.frozen import Embed
from attune.embeddings.training.heads import Reader, fitted_heads
from attune.embeddings.training.judge import MAIN, DevEvaluator
from attune.embeddings.training.passages import MadeQuery
from attune.embeddings.training.tasks import TypicalTexts

_CLEARLY_BETTER = 0.005
"""A smaller gain on a few hundred kept-back texts is chance, and not worth an expert's memory."""
_CHANCE = 0.02
"""By so much may 150 made queries be wrong. Heads gained with people's queries on all five development collections
(docs/adr/0017-words.md), so where nobody's queries are at hand, only a clear loss speaks against them."""


@dataclass(frozen=True)
class Candidate:
    """An expert that can be used, its figures on texts kept back, and by how much it must be better than a cheaper one.

    Axes need only be better: what they cost or gained on judged collections is in docs/adr/0016-axes.md. `leeway` is by
    how much it may seem worse than the general expert.
    """

    name: str
    kind: ExpertKind
    tensors: Mapping[str, Tensor]
    figures: Mapping[str, float]
    margin: float = _CLEARLY_BETTER
    leeway: float = 0.0


def best_of(general: Mapping[str, float], candidates: Sequence[Candidate]) -> Candidate | None:
    """The expert to use, by the figures of the `general` one and of each; None where none is clearly better."""
    found = None
    for candidate in candidates:
        mark = general[MAIN] - candidate.leeway
        if found is not None:
            mark = max(mark, found.figures[MAIN])
        if candidate.figures[MAIN] > mark + candidate.margin:
            found = candidate
    return found


def with_heads(
    reader: Reader, texts: TypicalTexts, taken: Mapping[str, MadeQuery], evaluator: DevEvaluator
) -> list[Candidate]:
    """The vectors through each head that is fitted to some texts of the domain, and nothing else.

    An index is known when its queries are not, and words know the texts that they were fitted to better than others. So
    what is judged is fitted to the passages without the queries that were `taken` from them, as they are judged by;
    what is used, to the whole passages.
    """
    judged_ones, heads = fitted_heads(reader, texts.without(taken)), fitted_heads(reader, texts)
    found = [
        Candidate(name, ExpertKind.AXES, head_tensors(heads[name]), _figures(evaluator, reader.through(head)))
        for name, head in judged_ones.items()
        if name in heads
    ]
    leeway = 0.0 if texts.pairs else _CHANCE
    return [replace(each, margin=0.0 if each.name == "axes" else each.margin, leeway=leeway) for each in found]


def _figures(evaluator: DevEvaluator, embed: Embed) -> dict[str, float]:
    return evaluator.measure(lambda _domain: embed)


def learned(
    kind: ExpertKind, tensors: Mapping[str, Tensor], figures: Mapping[str, float], heads: Sequence[Candidate]
) -> Candidate:
    """What was learned, with one of its own `heads` if that is better."""
    head = best_of(figures, heads)
    if head is None:
        return Candidate(kind.value, kind, tensors, figures)
    return Candidate(f"{kind.value}_with_{head.name}", kind, {**tensors, **head.tensors}, head.figures)
