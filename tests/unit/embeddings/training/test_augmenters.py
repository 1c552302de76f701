"""Augmenters made of a tiny model's passages, judged, and served as they were judged."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.unit.embeddings.conftest import HIDDEN
from tests.unit.embeddings.mixture.material import add_expert, copied, ffn_tensors

from attune.embeddings.augmentation.gate import GATES
from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.augmentation.manifest import read_augmenters
from attune.embeddings.axes import Axes
from attune.embeddings.domains import ExpertKind
from attune.embeddings.embedder import Embedder
from attune.embeddings.errors import SettingError, UnknownDomainError
from attune.embeddings.evaluation.ablation import without_head
from attune.embeddings.heads import Head
from attune.embeddings.items import EmbedItem, Role
from attune.embeddings.mixture.expert_files import head_tensors
from attune.embeddings.stored_vectors import StoredVectors
from attune.embeddings.training.augmenter_judge import Judging, is_better, judge
from attune.embeddings.training.augmenters import AugmenterRecipe, fit_probes
from attune.embeddings.training.collections import Collection, Source, read_sources
from attune.embeddings.training.making import Made, make_and_save, make_pair
from attune.embeddings.training.pairs import TrainingDataError
from attune.embeddings.training.tower import train_tower

WORDS = ["cat", "sat", "mat", "dogs", "ran", "fast", "under", "some", "old", "green", "trees", "near", "water"]
RANDOM = np.random.default_rng(0)
PASSAGES = [" ".join(RANDOM.choice(WORDS, 26)) for _ in range(60)]
PEOPLE = [(f"{one} {other} trees", {place: 1}) for place, (one, other) in enumerate(pairwise(WORDS))]
COLLECTION = Collection("park", PASSAGES, PEOPLE)
RECIPE = AugmenterRecipe(steps=8, queries=64, batch=32)


def quiet(_what: str, _done: int, _total: int) -> None:
    pass


@pytest.fixture
def model(shared_tiny_model, tmp_path) -> Path:
    return copied(shared_tiny_model, tmp_path / "model")


def made(model: Path, recipe: AugmenterRecipe, domain: str = "general", collection: Collection = COLLECTION) -> Made:
    embedder = Embedder.load(str(model), "fp32")
    sources = read_sources(embedder, domain, [collection], StoredVectors(), quiet)
    return make_and_save(model, embedder, domain, sources, recipe, {"seed": recipe.seed}, quiet)


def figures_of(model: Path, kind: str, domain: str = "general") -> dict[str, float]:
    """The judge's, of what is served."""
    embedder = Embedder.load(str(model), "fp32")
    sources = read_sources(embedder, domain, [COLLECTION], StoredVectors(), quiet)

    def queries(_source: Source, texts: list[str]) -> np.ndarray:
        items = [EmbedItem(text, domain, Role.QUERY, augmentation=kind) for text in texts]
        return np.stack([each.vector for each in embedder.embed(items).results])

    judging = Judging(kept_back=kind != "probes")
    return judge(queries, lambda source: source.vectors, sources, judging, quiet)


@pytest.mark.parametrize("kind", [each for each in Augmentation if each is not Augmentation.NONE])
def test_each_kind_is_served_as_it_was_judged(model, kind):
    found = made(model, replace(RECIPE, kind=kind))
    assert found.kind == kind
    assert found.memory_bytes > 0
    assert figures_of(model, kind) == pytest.approx(found.metrics, abs=1e-6)
    assert found.metrics["keywords"] != found.metrics["plain_keywords"] or kind in GATES
    [entry] = read_augmenters(model).augmenters
    assert entry.training == {"seed": 0}
    assert entry.default == found.default == is_better(found.metrics)


def test_probes_of_the_passages_that_are_searched_find_more(model):
    found = made(model, replace(RECIPE, strength=1.0))
    assert found.metrics["keywords"] > found.metrics["plain_keywords"] + 0.03
    assert found.metrics["spans"] >= found.metrics["plain_spans"]


def test_it_is_made_for_the_vectors_of_a_domain(model):
    add_expert(model, "law", ffn_tensors(model, 1))
    for domain in ("general", "law"):
        made(model, RECIPE, domain)
    domains = {each.id: each for each in Embedder.load(str(model), "fp32").domains.domains()}
    assert [len(each.augmenters) for each in domains.values()] == [1, 1]
    with pytest.raises(UnknownDomainError):
        made(model, RECIPE, "medicine")


def test_another_seed_trains_another_gate(model):
    versions = [made(model, replace(RECIPE, kind=Augmentation.STATISTICAL, seed=seed)).version for seed in (0, 0, 1)]
    assert versions[0] == versions[1] != versions[2]


def test_a_tower_is_for_a_domain_without_layers_of_its_own(model):
    tower = replace(RECIPE, kind=Augmentation.TOWER)
    add_expert(model, "law", ffn_tensors(model, 1))
    axes = Axes(torch.zeros(HIDDEN), torch.eye(HIDDEN))
    add_expert(model, "bio", head_tensors(Head(axes)), ExpertKind.AXES)
    made(model, tower, "bio")
    with pytest.raises(SettingError, match="domain 'law' has layers of its own"):
        made(model, tower, "law")


def test_a_pair_of_words_is_an_expert(model):
    embedder = Embedder.load(str(model), "fp32")
    sources = read_sources(embedder, "general", [COLLECTION], StoredVectors(), quiet)
    before = sources[0].vectors
    found = make_pair(model, embedder, "words", sources, RECIPE, {}, quiet)
    served = Embedder.load(str(model), "fp32")
    again = [read_sources(served, domain, [COLLECTION], StoredVectors(), quiet)[0] for domain in ("general", "words")]
    np.testing.assert_allclose(again[0].vectors, before, atol=1e-6)
    assert np.abs(again[1].vectors - before).max() > 0.01
    assert found.metrics.keys() == figures_of(model, "none", "words").keys()
    own = figures_of(model, "none", "words")
    assert own["keywords"] == pytest.approx(found.metrics["keywords"], abs=1e-6)


@pytest.mark.parametrize(
    ("passages", "problem"),
    [(["the cat"] * 9, "park: 9 passages: at least 10"), (["the cat sat on the mat"] * 20, "no token tells")],
)
def test_passages_that_teach_nothing_are_refused(model, passages, problem):
    with pytest.raises(TrainingDataError, match=problem):
        made(model, RECIPE, collection=Collection("park", passages))


def test_a_default_must_gain_on_made_queries_and_keep_peoples():
    figures = {"plain_keywords": 0.5, "keywords": 0.6, "plain_spans": 0.5, "spans": 0.6}
    assert is_better(figures)
    assert is_better(figures | {"spans": 0.5})
    assert not is_better(figures | {"spans": 0.49})
    assert is_better(figures | {"plain_natural": 0.5, "natural": 0.499})
    assert not is_better(figures | {"plain_natural": 0.5, "natural": 0.49})
    assert not is_better({})


def test_peoples_queries_that_judge_are_not_those_that_teach():
    taught, kept = {text for text, _ in COLLECTION.taught}, {text for text, _ in COLLECTION.kept}
    assert taught | kept == {text for text, _ in PEOPLE}
    assert taught
    assert kept
    assert not taught & kept


def test_passages_of_one_word_teach_no_gate(model):
    short = Collection("short", [word for word in WORDS for _ in range(2)])
    with pytest.raises(TrainingDataError, match="too few words"):
        made(model, replace(RECIPE, kind=Augmentation.STATISTICAL), collection=short)


def test_a_tower_is_judged_by_the_very_vectors_that_are_served(model):
    embedder = Embedder.load(str(model), "fp32")
    sources = read_sources(embedder, "general", [COLLECTION], StoredVectors(), quiet)
    recipe = replace(RECIPE, kind=Augmentation.TOWER)
    tower = train_tower(model, "general", sources, fit_probes(embedder, sources, recipe), recipe, quiet)
    made(model, recipe)
    served = Embedder.load(str(model), "fp32")
    texts = [text for text, _ in PEOPLE]

    def vectors() -> np.ndarray:
        items = [EmbedItem(text, "general", Role.QUERY, augmentation="tower") for text in texts]
        return np.stack([each.vector for each in served.embed(items).results])

    np.testing.assert_allclose(vectors(), tower(texts, sources[0]), atol=1e-5)
    general = served.domains.route("general")
    bare = without_head(served, general, general.augmenters[0], texts)
    tokens = sources[0].views.queries.tokens(texts)
    np.testing.assert_allclose(bare, tower.embed(texts, tokens).detach().numpy(), atol=1e-5)
    assert np.abs(bare - vectors()).max() > 1e-3
