"""Words for both towers: queries and passages get directions of their tokens' own, beside what the backbone sees.

A head like that of a domain's words (`attune.embeddings.words`), but trained on queries of many collections, so that it
is for texts that it has not seen. Tokens begin with random directions, whose sums tell bags of tokens apart (random
indexing: Kanerva et al., 2000), and learn better ones; so do the backbone's. Passages change: a new version of vectors,
to be indexed again.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from attune.embeddings.bags import Bags, document_frequencies, inverse_document_frequencies
from attune.embeddings.embedder import Embedder
from attune.embeddings.training.augmenters import AugmenterRecipe
from attune.embeddings.training.collections import Source, Tell
from attune.embeddings.training.contrast import Lesson, Pace, Places, learn
from attune.embeddings.training.lessons import Asked, lesson_of, questions
from attune.embeddings.words import Words

_SHARE = 0.15
"""Of a bag's cosine, beside 1 for that of the backbone's vectors, at first."""
_REACH = 2048
"""Tokens of a text that words read: sums of rows cost little, where it has pages, of which the backbone takes one."""
_CANDIDATES = 1536
_LEARNING_RATE = 1e-3
_STEPS = 360
_NATURAL_SHARE = 6.0


class _Tower(nn.Module):
    """Vectors and bags of tokens to vectors, as `Words` does."""

    def __init__(self, vocabulary: int, size: int) -> None:
        super().__init__()
        self.change = nn.Parameter(torch.zeros(size, size))
        self.rows = nn.Parameter(torch.randn(vocabulary, size) * (_SHARE / size) ** 0.5)

    def forward(self, vectors: Tensor, bags: Bags) -> Tensor:
        found: Tensor = functional.normalize(vectors + vectors @ self.change + bags.sums(self.rows))
        return found


def train_paired(embedder: Embedder, sources: Sequence[Source], recipe: AugmenterRecipe, tell: Tell) -> Words:
    """The words for both towers, of all tokens that texts may have."""
    torch.manual_seed(recipe.seed)
    steps = recipe.steps or _STEPS
    read = {id(each): each.views.passages.tokens(each.collection.passages, _REACH) for each in sources}
    sequences = list(chain.from_iterable(read.values()))
    frequency = document_frequencies(sequences, len(embedder.token_embeddings))
    weights = inverse_document_frequencies(frequency, len(sequences)).astype(np.float32)
    weights[list(embedder.prompt_tokens)] = 0
    tower = _Tower(len(weights), embedder.dimension)
    asked = questions(sources, recipe.queries, recipe.seed)
    learn(
        [(1.0, list(tower.parameters()))],
        [_lesson(tower, each, read[id(each.source)], weights) for each in asked],
        Pace(steps, recipe.batch, _CANDIDATES, _LEARNING_RATE, recipe.seed),
        lambda step, loss: tell(f"training, loss {loss:.3f}", step, steps),
    )
    mixing = torch.eye(embedder.dimension) + tower.change.detach()
    ids = np.flatnonzero(weights > 0)
    rows = tower.rows.detach()[torch.from_numpy(ids)].clone()
    return Words(mixing, torch.from_numpy(weights), torch.from_numpy(ids), rows, _REACH)


def _lesson(tower: _Tower, asked: Asked, read: Sequence[Sequence[int]], weights: np.ndarray) -> Lesson:
    source = asked.source
    queries, passages = torch.from_numpy(source.views.queries(asked.texts)), torch.from_numpy(source.vectors)
    tokens = source.views.queries.tokens(asked.texts, _REACH)

    def through(vectors: Tensor, sequences: Sequence[Sequence[int]], places: Places) -> Tensor:
        bags = Bags.of([sequences[place] for place in places.tolist()], weights)
        found: Tensor = tower(vectors[torch.from_numpy(places)], bags)
        return found

    return lesson_of(
        asked,
        lambda places: through(queries, tokens, places),
        lambda places: through(passages, read, places),
        natural_share=_NATURAL_SHARE,
    )
