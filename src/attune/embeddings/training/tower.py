"""A tower for queries: the last layers' feed-forward blocks of their own, for an index that stays as it is.

The domain's passages were embedded once and do not change; what embeds its queries learns to find them. Its blocks
begin as the backbone's, so that nothing is lost at first. Probes are applied after it, in training as in serving.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from torch import Tensor

from attune.embeddings.augmentation.probes import Probes
from attune.embeddings.config import ModelConfig, read_model_config
from attune.embeddings.domains import ExpertKind
from attune.embeddings.errors import SettingError
from attune.embeddings.heads import Head
from attune.embeddings.mixture.expert_files import read_head
from attune.embeddings.mixture.manifest import ExpertEntry, read_manifest
from attune.embeddings.mixture.sentence_transformer import ExpertTransformer
from attune.embeddings.training.augmenters import AugmenterRecipe
from attune.embeddings.training.collections import Source, Tell
from attune.embeddings.training.contrast import Lesson, Pace, Places, learn
from attune.embeddings.training.lessons import Asked, lesson_of, questions
from attune.embeddings.training.session import after_layers
from attune.embeddings.training.trainable import Kind, Shape, TrainableExperts
from attune.embeddings.weights import model_name

_ROUTE = "queries"
_LAYERS = 3
_BATCH = 96
_NEGATIVES = 6000
_LEARNING_RATE = 1e-4
_STEPS = 240
_KEPT = 4.0
"""With less, people's queries lost .013 on the development collections."""


def train_tower(
    directory: Path, domain: str, sources: Sequence[Source], probes: Probes, recipe: AugmenterRecipe, tell: Tell
) -> "Tower":
    """The tower of a domain whose expert has no blocks of its own; `sources` are seen by that expert.

    Raises `SettingError` for another domain.
    """
    torch.manual_seed(recipe.seed)
    steps = recipe.steps or _STEPS
    config = read_model_config(directory)
    transformer = ExpertTransformer.load(str(directory))
    entry = read_manifest(directory, model_name(directory)).find(domain)
    check_tower(domain, entry)
    head = read_head(directory, entry) if entry is not None else None
    transformer.encoder.requires_grad_(requires_grad=False)
    layers = max(1, min(_LAYERS, len(transformer.encoder.layers) - 1))  # of all, they would have a token too
    experts = TrainableExperts(transformer, [_ROUTE], Shape(Kind.FFN, layers))
    embed = _Queries(transformer, config, head)
    learn(
        [(1.0, list(experts.parameters()))],
        [_lesson(embed, probes, asked) for asked in questions(sources, recipe.queries, recipe.seed)],
        Pace(steps, _BATCH, _NEGATIVES, _LEARNING_RATE, recipe.seed),
        lambda step, loss: tell(f"training, loss {loss:.3f}", step, steps),
    )
    return Tower({name: each.contiguous() for name, each in experts.tensors(_ROUTE).items()}, probes, embed)


def check_tower(domain: str, expert: ExpertEntry | None) -> None:
    """Raises `SettingError` for a domain whose expert has layers of its own."""
    if expert is not None and expert.kind not in (ExpertKind.GENERAL, ExpertKind.AXES):
        raise SettingError(f"domain {domain!r} has layers of its own: train a tower for one of kind general or axes")


class _Queries:
    """Queries to vectors [n, d] by the blocks that learn, with gradients."""

    def __init__(self, transformer: ExpertTransformer, config: ModelConfig, head: Head | None) -> None:
        self._model = SentenceTransformer(modules=[transformer, *after_layers(config)])
        self._transformer = transformer
        self._prompt = config.query_prompt
        self._head = head

    def __call__(self, texts: Sequence[str], tokens: Sequence[Sequence[int]]) -> Tensor:
        features = self._transformer.preprocess(list(texts), prompt=self._prompt, task=_ROUTE)
        vectors: Tensor = self._model({name: each.to(self._model.device) for name, each in features.items()})[
            "sentence_embedding"
        ]
        vectors = vectors.float().cpu()
        return vectors if self._head is None else self._head(vectors, tokens)


def _lesson(embed: _Queries, probes: Probes, asked: Asked) -> Lesson:
    tokens = asked.source.views.queries.tokens(asked.texts)

    def through(places: Places) -> Tensor:
        sequences = [tokens[place] for place in places.tolist()]
        vectors = embed([asked.texts[place] for place in places.tolist()], sequences)
        return probes.change(vectors, probes.weigh(sequences))

    return lesson_of(asked, through, kept=_KEPT)


@dataclass(frozen=True)
class Tower:
    """What a file is to hold of the blocks, and the probes that come after them."""

    tensors: dict[str, Tensor]
    probes: Probes
    embed: _Queries

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str], source: Source) -> NDArray[np.float32]:
        """The vectors [n, d] of queries for the source."""
        found = []
        for start in range(0, len(texts), _BATCH):
            part = texts[start : start + _BATCH]
            tokens = source.views.queries.tokens(part)
            found.append(self.probes.change(self.embed(part, tokens), self.probes.weigh(tokens)).numpy())
        return np.concatenate(found)
