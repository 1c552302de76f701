"""Makes any kind of augmenter, judges it, and saves it: one face for all that query vectors can be trained by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attune.embeddings.augmentation.augmenter import Augmenter
from attune.embeddings.augmentation.files import save_augmenter
from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.augmentation.manifest import AugmenterEntry, read_augmenters
from attune.embeddings.axes import Axes
from attune.embeddings.domains import ExpertKind
from attune.embeddings.embedder import Embedder
from attune.embeddings.heads import Head
from attune.embeddings.mixture.expert_files import head_tensors, write_expert
from attune.embeddings.mixture.manifest import ExpertEntry, put_expert
from attune.embeddings.training.augmenter_judge import Judging, QueryVectors, gain, is_better, judge
from attune.embeddings.training.augmenters import AugmenterRecipe, fit_probes, make_augmenter, through
from attune.embeddings.training.collections import Source, Tell
from attune.embeddings.training.frozen import FrozenBackbone
from attune.embeddings.training.paired import train_paired
from attune.embeddings.training.tower import train_tower
from attune.embeddings.weights import model_name, weights_sha256

PAIRED = "paired"


@dataclass(frozen=True)
class Made:
    """What came of it: of which kind, for which domain, in what version, whether it is the default, and its figures."""

    kind: str
    domain: str
    version: str
    default: bool
    memory_bytes: int
    metrics: Mapping[str, float]


def make_and_save(
    directory: Path,
    embedder: Embedder,
    domain: str,
    sources: Sequence[Source],
    recipe: AugmenterRecipe,
    facts: Mapping[str, Any],
    tell: Tell,
) -> Made:
    """An augmenter for a domain's queries, in the directory; `facts` say what it was made of.

    Raises `SettingError` for a kind that the domain cannot have, `TrainingDataError` for the texts.
    """
    blocks: dict[str, Tensor] = {}
    if recipe.kind is Augmentation.TOWER:
        tower = train_tower(directory, domain, sources, fit_probes(embedder, sources, recipe), recipe, tell)
        head: Augmenter = tower.probes
        blocks = tower.tensors
        queries: QueryVectors = lambda source, texts: tower(texts, source)  # noqa: E731 - a name for either
    else:
        head = make_augmenter(embedder, sources, recipe, tell)
        queries = lambda source, texts: through(head, source.views, texts)  # noqa: E731
    judging = Judging(recipe.seed, kept_back=recipe.kind is not Augmentation.PROBES)
    metrics = judge(queries, lambda source: source.vectors, sources, judging, tell)
    version = embedder.domains.route(domain).version
    default = is_better(metrics) and gain(metrics) > _gain_of_default(directory, domain, version, recipe.kind)
    entry = AugmenterEntry(recipe.kind, {domain: version}, default=default, training=facts, metrics=metrics)
    saved = save_augmenter(directory, head, entry, blocks)
    memory = head.nbytes + sum(each.nbytes for each in blocks.values())
    return Made(saved.kind.value, domain, saved.version, saved.default, memory, metrics)


def _gain_of_default(directory: Path, domain: str, version: str, kind: Augmentation) -> float:
    """What the domain's default of another kind gained when it was made; 0 where there is none."""
    others = read_augmenters(directory).of(domain, version).values()
    return max((gain(each.metrics) for each in others if each.default and each.kind is not kind), default=0.0)


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

    def changed(view: FrozenBackbone, texts: Sequence[str]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = words(torch.from_numpy(view(texts)), view.tokens(texts, words.reach)).numpy()
        return found

    metrics = judge(
        lambda source, texts: changed(source.views.queries, texts),
        lambda source: changed(source.views.passages, source.collection.passages),
        sources,
        Judging(recipe.seed),
        tell,
    )
    size = embedder.dimension
    file, sha256 = write_expert(directory, domain, head_tensors(Head(Axes(torch.zeros(size), torch.eye(size)), words)))
    description = "Vectors with directions for words, for queries of keywords and parts of passages"
    entry = ExpertEntry(domain, description, ExpertKind.AXES, file, sha256, facts, metrics)
    put_expert(directory, entry, model_name(directory))
    version = entry.version(weights_sha256(directory))
    return Made(PAIRED, domain, version, False, words.nbytes, metrics)
