"""Augmenters of queries: fitted to, or trained on, passages whose vectors do not change."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attune.embeddings.augmentation.augmenter import Augmenter
from attune.embeddings.augmentation.gate import GATES, Contextual, Gate, Learned, Statistical, tied_table
from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.augmentation.probes import STRENGTH, Probes
from attune.embeddings.bags import document_frequencies, inverse_document_frequencies
from attune.embeddings.embedder import Embedder
from attune.embeddings.errors import SettingError
from attune.embeddings.training.collections import Source, Tell, Views
from attune.embeddings.training.contrast import Lesson, Pace, Places, learn
from attune.embeddings.training.lessons import Asked, lesson_of, questions
from attune.embeddings.training.pairs import TrainingDataError

_FREQUENT = 2
_NEGATIVES = 6000
_LEARNING_RATE, _STEPS = 3e-3, 200


@dataclass(frozen=True)
class AugmenterRecipe:
    """How an augmenter is made. `strength` is of probes; the rest is of what is trained, from so many `queries` made of
    each collection, in batches. No steps means as many as suit the kind.
    """

    kind: Augmentation = Augmentation.PROBES
    strength: float = STRENGTH
    steps: int = 0
    queries: int = 3000
    batch: int = 512
    seed: int = 0


def make_augmenter(embedder: Embedder, sources: Sequence[Source], recipe: AugmenterRecipe, tell: Tell) -> Augmenter:
    """Fit probes, or train a gate. Raises `SettingError` for another kind, `TrainingDataError` for the texts."""
    if recipe.kind in GATES:
        return _gate(embedder, sources, recipe, tell)
    if recipe.kind is not Augmentation.PROBES:
        raise SettingError(f"kind {recipe.kind} cannot be trained so: use one of probes, {', '.join(GATES)}")
    return fit_probes(embedder, sources, recipe)


def fit_probes(embedder: Embedder, sources: Sequence[Source], recipe: AugmenterRecipe) -> Probes:
    """Probes of the sources' passages. Raises `TrainingDataError` for passages that no token tells apart."""
    probes = Probes.fitted(
        [(source.vectors, source.tokens) for source in sources],
        len(embedder.token_embeddings),
        embedder.prompt_tokens,
        recipe.strength,
    )
    if probes is None:
        raise TrainingDataError("no token tells the passages apart: give texts that differ")
    return probes


def through(augmenter: Augmenter, views: Views, texts: Sequence[str]) -> NDArray[np.float32]:
    """The vectors [n, d] of queries, augmented."""
    with torch.inference_mode():
        bags = augmenter.weigh(views.queries.tokens(texts), _hidden(augmenter, views, texts))
        found: NDArray[np.float32] = augmenter.change(torch.from_numpy(views.queries(texts)), bags).numpy()
    return found


def _hidden(augmenter: Augmenter, views: Views, texts: Sequence[str]) -> list[Tensor]:
    return views.queries.hidden(texts) if augmenter.reads_hidden else []


def _gate(embedder: Embedder, sources: Sequence[Source], recipe: AugmenterRecipe, tell: Tell) -> Gate:
    torch.manual_seed(recipe.seed)
    steps = recipe.steps or _STEPS
    gate = _new_gate(embedder, sources, recipe.kind)
    learn(
        [(1.0, list(gate.parameters()))],
        [_lesson(gate, asked) for asked in questions(sources, recipe.queries, recipe.seed)],
        Pace(steps, recipe.batch, _NEGATIVES, _LEARNING_RATE, recipe.seed),
        lambda step, loss: tell(f"training, loss {loss:.3f}", step, steps),
    )
    return gate.requires_grad_(requires_grad=False)


def _new_gate(embedder: Embedder, sources: Sequence[Source], kind: Augmentation) -> Gate:
    table, size = tied_table(embedder.token_embeddings), embedder.dimension
    sequences = [tokens for source in sources for tokens in source.tokens]
    frequency = document_frequencies(sequences, len(table))
    rarity = inverse_document_frequencies(frequency, len(sequences)).astype(np.float32)
    rarity[list(embedder.prompt_tokens)] = 0
    if kind is Augmentation.STATISTICAL:
        return Statistical(table, size, torch.from_numpy(rarity))
    if kind is Augmentation.LEARNED:
        return Learned(table, size, torch.from_numpy((rarity > 0).astype(np.float32)))
    return Contextual(table, size, torch.from_numpy(((frequency >= _FREQUENT) & (rarity > 0)).astype(np.float32)))


def _lesson(gate: Gate, asked: Asked) -> Lesson:
    views, texts = asked.source.views, asked.texts
    vectors, tokens, hidden = (
        torch.from_numpy(views.queries(texts)),
        views.queries.tokens(texts),
        _hidden(gate, views, texts),
    )

    def through(places: Places) -> Tensor:
        each = places.tolist()
        bags = gate.weigh([tokens[place] for place in each], [hidden[place] for place in each] if hidden else [])
        return gate.change(vectors[each], bags)

    return lesson_of(asked, through)
