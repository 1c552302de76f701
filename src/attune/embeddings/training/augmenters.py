"""Augmenters of queries: fitted to, or trained on, passages whose vectors do not change."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attune.embeddings.augmentation.gate import GATES, Contextual, Gate, Learned, Statistical, tied_table
from attune.embeddings.augmentation.kinds import Augmentation, Augmenter
from attune.embeddings.augmentation.probes import STRENGTH, Probes
from attune.embeddings.bags import document_frequencies, inverse_document_frequencies
from attune.embeddings.embedder import Embedder
from attune.embeddings.errors import SettingError
from attune.embeddings.evaluation.finegrained import keyword_queries, span_queries
from attune.embeddings.evaluation.ranking import ndcg
from attune.embeddings.training.collections import Collection, Source, Tell, Views
from attune.embeddings.training.contrast import Lesson, learn
from attune.embeddings.training.pairs import TrainingDataError
from attune.embeddings.training.passages import Passage, QueryMaker
from attune.embeddings.training.teacher import STOPWORDS

_FREQUENT = 2
_JUDGED, _JUDGED_SPAN, _DEPTH = 150, 16, 10
_JUDGING_SEED = 90_001  # queries that judge are never those that teach
_SPANS = (16, 32)
_NATURAL_LOSS = 0.002


@dataclass(frozen=True)
class AugmenterRecipe:
    """How an augmenter is made. `strength` is of probes, the rest of gates; `queries` are made of each collection."""

    kind: Augmentation = Augmentation.PROBES
    strength: float = STRENGTH
    steps: int = 200
    queries: int = 3000
    batch: int = 512
    learning_rate: float = 3e-3
    seed: int = 0


def make_augmenter(embedder: Embedder, sources: Sequence[Source], recipe: AugmenterRecipe, tell: Tell) -> Augmenter:
    """Fit probes, or train a gate. Raises `SettingError` for another kind, `TrainingDataError` for the texts."""
    if recipe.kind in GATES:
        return _gate(embedder, sources, recipe, tell)
    if recipe.kind is not Augmentation.PROBES:
        raise SettingError(f"kind {recipe.kind} cannot be trained: use one of probes, {', '.join(GATES)}")
    probes = Probes.fitted(
        [(source.vectors, source.tokens) for source in sources],
        len(embedder.token_embeddings),
        embedder.prompt_tokens,
        recipe.strength,
    )
    if probes is None:
        raise TrainingDataError("no token tells the passages apart: give texts that differ")
    return probes


def judge_augmenter(augmenter: Augmenter, sources: Sequence[Source], tell: Tell) -> dict[str, float]:
    """nDCG@10 of queries that nothing was learned from, as they are and augmented: means over the collections.

    Keywords and spans are made of the passages; `natural` ones are people's, where there are any.
    """
    figures: dict[str, list[float]] = {}
    for done, source in enumerate(sources, start=1):
        for name, queries in _judging(source.collection).items():
            texts, wanted = [text for text, _ in queries], [grades for _, grades in queries]
            plain = source.views.queries(texts)
            with torch.inference_mode():
                bags = augmenter.weigh(source.views.queries.tokens(texts), _hidden(augmenter, source.views, texts))
                changed = augmenter.change(torch.from_numpy(plain), bags).numpy()
            for prefix, vectors in (("plain_", plain), ("", changed)):
                figures.setdefault(f"{prefix}{name}", []).append(_ndcg(vectors @ source.vectors.T, wanted))
        tell("judging", done, len(sources))
    return {name: float(np.mean(values)) for name, values in figures.items()}


def is_better(figures: Mapping[str, float]) -> bool:
    """Whether queries should be augmented without asking: made ones gain, and people's lose no more than .002."""
    made = [figures[name] > figures[f"plain_{name}"] for name in ("keywords", "spans") if name in figures]
    natural = figures.get("natural", 0.0) >= figures.get("plain_natural", 0.0) - _NATURAL_LOSS
    return bool(made) and all(made) and natural


def _judging(collection: Collection) -> dict[str, list[tuple[str, Mapping[int, int]]]]:
    made = {
        "keywords": keyword_queries(collection.passages, _JUDGED, _JUDGING_SEED),
        "spans": span_queries(collection.passages, _JUDGED_SPAN, _JUDGED, _JUDGING_SEED),
    }
    found: dict[str, list[tuple[str, Mapping[int, int]]]] = {
        name: [(query.text, {query.passage: 1}) for query in queries] for name, queries in made.items()
    }
    return {name: queries for name, queries in (found | {"natural": list(collection.queries)}).items() if queries}


def _ndcg(scores: NDArray[np.float32], wanted: Iterable[Mapping[int, int]]) -> float:
    best = np.argsort(-scores, axis=1, kind="stable")[:, :_DEPTH]
    graded = ({str(place): grade for place, grade in grades.items()} for grades in wanted)
    return float(np.mean([ndcg([str(place) for place in row], each) for row, each in zip(best, graded, strict=True)]))


def _hidden(augmenter: Augmenter, views: Views, texts: Sequence[str]) -> list[Tensor]:
    return views.queries.hidden(texts) if augmenter.reads_hidden else []


def _gate(embedder: Embedder, sources: Sequence[Source], recipe: AugmenterRecipe, tell: Tell) -> Gate:
    torch.manual_seed(recipe.seed)
    gate = _new_gate(embedder, sources, recipe.kind)
    lessons = [_lesson(gate, source, recipe) for source in sources]
    learn(
        list(gate.parameters()),
        lessons,
        steps=recipe.steps,
        batch=recipe.batch,
        learning_rate=recipe.learning_rate,
        seed=recipe.seed,
        tell=lambda step, loss: tell(f"training, loss {loss:.3f}", step, recipe.steps),
    )
    return gate.requires_grad_(requires_grad=False)


def _new_gate(embedder: Embedder, sources: Sequence[Source], kind: Augmentation) -> Gate:
    table, size = tied_table(embedder.token_embeddings), embedder.dimension
    if kind is Augmentation.LEARNED:
        return Learned(table, size)
    sequences = [tokens for source in sources for tokens in source.tokens]
    frequency = document_frequencies(sequences, len(table))
    rarity = inverse_document_frequencies(frequency, len(sequences)).astype(np.float32)
    rarity[list(embedder.prompt_tokens)] = 0
    if kind is Augmentation.STATISTICAL:
        return Statistical(table, size, torch.from_numpy(rarity))
    return Contextual(table, size, torch.from_numpy(((frequency >= _FREQUENT) & (rarity > 0)).astype(np.float32)))


def _lesson(gate: Gate, source: Source, recipe: AugmenterRecipe) -> Lesson:
    """Half keywords, a third spans, and a sixth sentences, titles and words as people may ask."""
    passages, count = source.collection.passages, recipe.queries
    made = keyword_queries(passages, count // 2, recipe.seed)
    for words in _SPANS:
        made += span_queries(passages, words, count // (3 * len(_SPANS)), recipe.seed)
    asked = QueryMaker([Passage("", text) for text in passages], STOPWORDS, recipe.seed).make(count // 6)
    taught = [(each.text, each.passage) for each in made] + [(each.text, each.passage) for each in asked]
    texts = [text for text, _ in taught]
    vectors = torch.from_numpy(source.views.queries(texts))
    tokens, hidden = source.views.queries.tokens(texts), _hidden(gate, source.views, texts)

    def through(places: Sequence[int]) -> Tensor:
        bags = gate.weigh([tokens[place] for place in places], [hidden[place] for place in places] if hidden else [])
        return gate.change(vectors[list(places)], bags)

    passage = np.array([place for _, place in taught])
    return Lesson(len(texts), passage, torch.from_numpy(source.vectors), through)
