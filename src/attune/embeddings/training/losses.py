"""What training makes small."""

from collections.abc import Iterable
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch import Tensor, nn
from torch.nn import functional

from attune.embeddings.training.teacher import HybridTeacher

_TEMPERATURE = 0.05
_TEMPERATURES = tuple(0.01 * 1.15**step for step in range(30))  # 0.01 to 0.6


def pair_loss(model: SentenceTransformer) -> nn.Module:
    """Each text of a pair must be nearest to its other half, of all in the batch (Henderson et al., arXiv 1705.00652).

    Both ways, as which text of a pair comes first means nothing in most domains.
    """
    loss: nn.Module = MultipleNegativesRankingLoss(
        model, scale=1 / _TEMPERATURE, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
    )
    return loss


class RankingDistillation(nn.Module):
    """The student's ranking of a batch's passages for each query must be the teacher's: Kullback-Leibler divergence.

    A batch is queries, and some passages for each; every query ranks the passages of all. A label is the places of a
    query and of its passages in the teacher. `temperature` divides the student's cosines: see `fitted_temperature`.
    """

    def __init__(self, model: SentenceTransformer, teacher: HybridTeacher, temperature: float) -> None:
        super().__init__()
        self.model = model
        self._teacher = teacher
        self._temperature = temperature

    def forward(self, sentence_features: Iterable[dict[str, Any]], labels: Tensor) -> Tensor:
        queries, *passages = (self.model(features)["sentence_embedding"] for features in sentence_features)
        cosines = queries.float() @ torch.cat(passages).float().T
        return _divergence(cosines, _wanted(self._teacher, labels).to(cosines.device), self._temperature)


def fitted_temperature(teacher: HybridTeacher, labels: Tensor, batch: int) -> float:
    """The temperature at which the backbone's ranking of such batches comes nearest to the teacher's.

    With another one, a student would first learn to spread its vectors more, or less, and forget what it knows.
    """
    batches = [part for part in torch.split(labels, batch) if len(part) == batch] or [labels]
    cosines = [torch.from_numpy(teacher.backbone_cosines(part[:, 0].tolist(), _places(part))) for part in batches]
    wanted = [_wanted(teacher, part) for part in batches]

    def divergence(temperature: float) -> float:
        pairs = zip(cosines, wanted, strict=True)
        return sum(float(_divergence(found, target, temperature)) for found, target in pairs)

    return min(_TEMPERATURES, key=divergence)


def _places(labels: Tensor) -> list[int]:
    """The passages' places, in the order in which a batch's columns are joined."""
    places: list[int] = labels[:, 1:].T.flatten().tolist()
    return places


def _wanted(teacher: HybridTeacher, labels: Tensor) -> Tensor:
    """[queries, passages]: the logarithms of the teacher's probabilities."""
    places = _places(labels)
    scores = torch.stack([torch.from_numpy(teacher.scores(query)[places]) for query in labels[:, 0].tolist()])
    return functional.log_softmax(scores, dim=1)


def _divergence(cosines: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    found = functional.log_softmax(cosines / temperature, dim=1)
    return functional.kl_div(found, wanted, log_target=True, reduction="batchmean")
