"""Makes any kind of augmenter, judges it, and saves it: one face for all that query vectors can be trained by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from attune.embeddings.augmentation.files import save_augmenter
from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.augmentation.manifest import AugmenterEntry
from attune.embeddings.axes import Axes
from attune.embeddings.domains import ExpertKind
from attune.embeddings.embedder import Embedder
from attune.embeddings.errors import SettingError
from attune.embeddings.heads import Head
from attune.embeddings.mixture.expert_files import head_tensors, write_expert
from attune.embeddings.mixture.manifest import ExpertEntry, put_expert
from attune.embeddings.training.augmenter_judge import is_better, judge
from attune.embeddings.training.augmenters import AugmenterRecipe, fit_probes, make_augmenter, through
from attune.embeddings.training.collections import Source, Tell
from attune.embeddings.training.paired import train_paired
from attune.embeddings.training.tower import train_tower
from attune.embeddings.weights import model_name

PAIRED = "paired"


@dataclass(frozen=True)
class Made:
    """What came of it: of which kind, in what version, whether it is a default now, and its figures."""

    kind: str
    version: str
    default: bool
    memory_bytes: int
    metrics: Mapping[str, float]


def make_and_save(
    directory: Path,
    embedder: Embedder,
    domains: Sequence[str],
    sources: Sequence[Source],
    recipe: AugmenterRecipe,
    facts: Mapping[str, Any],
    tell: Tell,
) -> Made:
    """An augmenter for the domains' queries, in the directory; `facts` say what it was made of.

    Raises `SettingError` for a kind that the domains cannot have, `TrainingDataError` for the texts.
    """
    make = _tower if recipe.kind is Augmentation.TOWER else _augmenter
    return make(directory, embedder, domains, sources, recipe, facts, tell)


def make_pair(
    directory: Path,
    embedder: Embedder,
    domain: str,
    sources: Sequence[Source],
    recipe: AugmenterRecipe,
    facts: Mapping[str, Any],
    tell: Tell,
) -> Made:
    """Words for both towers, as the expert of a domain: its passages are to be indexed again."""
    words = train_paired(embedder, sources, recipe, tell)

    def changed(vectors: NDArray[np.float32], tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = words(torch.from_numpy(vectors), tokens).numpy()
        return found

    metrics = judge(
        lambda source, texts: changed(source.views.queries(texts), source.views.queries.tokens(texts)),
        lambda source: changed(source.vectors, source.tokens),
        sources,
        tell,
    )
    size = embedder.dimension
    file, sha256 = write_expert(directory, domain, head_tensors(Head(Axes(torch.zeros(size), torch.eye(size)), words)))
    description = "Vectors with directions for words, for queries of keywords and parts of passages"
    entry = ExpertEntry(domain, description, ExpertKind.AXES, file, sha256, facts, metrics)
    put_expert(directory, entry, model_name(directory))
    return Made(PAIRED, sha256[:12], False, words.nbytes, metrics)


def _augmenter(
    directory: Path,
    embedder: Embedder,
    domains: Sequence[str],
    sources: Sequence[Source],
    recipe: AugmenterRecipe,
    facts: Mapping[str, Any],
    tell: Tell,
) -> Made:
    augmenter = make_augmenter(embedder, sources, recipe, tell)
    metrics = judge(
        lambda source, texts: through(augmenter, source.views, texts), lambda source: source.vectors, sources, tell
    )
    entry = _entry(embedder, domains, recipe, facts, metrics)
    saved = save_augmenter(directory, augmenter, entry)
    return Made(saved.kind.value, saved.version, saved.default, augmenter.nbytes, metrics)


def _tower(
    directory: Path,
    embedder: Embedder,
    domains: Sequence[str],
    sources: Sequence[Source],
    recipe: AugmenterRecipe,
    facts: Mapping[str, Any],
    tell: Tell,
) -> Made:
    if len(domains) > 1:
        raise SettingError(f"a tower is for one domain, not for {', '.join(domains)}: train one for each")
    [domain] = domains
    tower = train_tower(directory, domain, sources, fit_probes(embedder, sources, recipe), recipe, tell)
    metrics = judge(lambda source, texts: tower(texts, source), lambda source: source.vectors, sources, tell)
    entry = _entry(embedder, domains, recipe, facts, metrics)
    saved = save_augmenter(directory, tower.probes, entry, tower.tensors)
    memory = tower.probes.nbytes + sum(each.nbytes for each in tower.tensors.values())
    return Made(saved.kind.value, saved.version, saved.default, memory, metrics)


def _entry(
    embedder: Embedder,
    domains: Sequence[str],
    recipe: AugmenterRecipe,
    facts: Mapping[str, Any],
    metrics: Mapping[str, float],
) -> AugmenterEntry:
    versions = {name: embedder.domains.route(name).version for name in domains}
    return AugmenterEntry(recipe.kind, versions, default=is_better(metrics), training=facts, metrics=metrics)
