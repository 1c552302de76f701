"""Queries augmented by a running embedder: which texts, by what, and why."""

import gc
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.embeddings.augmentation.test_files import probes_for
from tests.unit.embeddings.conftest import HIDDEN, VOCABULARY
from tests.unit.embeddings.mixture.material import add_expert, copied, ffn_tensors

from attune.embeddings.augmentation.augmenter import Augmenter
from attune.embeddings.augmentation.files import save_augmenter
from attune.embeddings.augmentation.gate import Contextual, Learned, tied_table
from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.augmentation.manifest import AugmenterEntry, put_augmenter
from attune.embeddings.embedder import Embedder
from attune.embeddings.errors import ModelError, UnknownAugmentationError
from attune.embeddings.items import PLAIN, Embedded, EmbedItem, Role

TEXTS = ["the cat sat", "dogs ran near the old green trees", "on the mat"]
PROBED = VOCABULARY[5], VOCABULARY[6], VOCABULARY[7], VOCABULARY[11]  # the, cat, sat, dogs


@pytest.fixture
def model(shared_tiny_model, tmp_path) -> Path:
    return copied(shared_tiny_model, tmp_path / "model")


def load(model: Path) -> Embedder:
    return Embedder.load(str(model), "fp32")


def put(
    model: Path,
    augmenter: Augmenter,
    *domains: str,
    kind: Augmentation | None = None,
    default: bool = True,
    blocks=None,
):
    known = load(model).domains
    versions = {domain: known.route(domain).version for domain in domains or ("general",)}
    return save_augmenter(model, augmenter, AugmenterEntry(kind or augmenter.kind, versions, default=default), blocks)


def embed(
    embedder: Embedder, texts: list[str], domain: str = "", role: Role = Role.QUERY, **options: Any
) -> list[Embedded]:
    return list(embedder.embed([EmbedItem(text, domain, role, **options) for text in texts]).results)


def vectors(found: list[Embedded]) -> np.ndarray:
    return np.stack([each.vector for each in found])


def test_queries_are_augmented_by_default_and_passages_never(model):
    plain = load(model)
    before = {role: vectors(embed(plain, TEXTS, role=role)) for role in Role}
    put(model, probes_for())
    embedder = load(model)
    np.testing.assert_array_equal(vectors(embed(embedder, TEXTS, role=Role.PASSAGE)), before[Role.PASSAGE])
    np.testing.assert_array_equal(
        vectors(embed(embedder, TEXTS, role=Role.PASSAGE, augmentation="probes")), before[Role.PASSAGE]
    )
    augmented = embed(embedder, TEXTS)
    assert [each.augmented.kind for each in augmented] == [Augmentation.PROBES] * 3
    assert np.abs(vectors(augmented) - before[Role.QUERY]).max() > 0.01
    np.testing.assert_array_equal(vectors(embed(embedder, TEXTS, augmentation="none")), before[Role.QUERY])


def test_what_is_not_a_default_is_there_for_who_asks(model):
    put(model, probes_for(), default=False)
    embedder = load(model)
    assert embed(embedder, TEXTS)[0].augmented is PLAIN
    assert embed(embedder, TEXTS, augmentation="probes")[0].augmented.kind is Augmentation.PROBES


def test_what_a_domain_does_not_have_is_refused_by_name(model):
    put(model, probes_for())
    found, other = embed(load(model), ["the cat"], augmentation="learned") + embed(load(model), ["the cat"])
    assert isinstance(found, UnknownAugmentationError)
    assert "domain 'general' has no augmentation 'learned': use one of none, probes, or train it" in str(found)
    assert isinstance(other, Embedded)


@pytest.mark.parametrize("text", ["x", "water", "zzz qqq", "the " * 5000, "cat"])
def test_odd_queries_are_embedded(model, text):
    """One letter; a token without a probe; unknown words; far too long; a single probed word."""
    put(model, probes_for())
    [found] = embed(load(model), [text])
    assert np.isfinite(found.vector).all()
    assert float(np.linalg.norm(found.vector)) == pytest.approx(1, abs=1e-5)


def test_a_query_without_any_probed_token_stays_as_it_is(model):
    put(model, probes_for())
    embedder = load(model)
    plain, augmented = (embed(embedder, ["water"], augmentation=each)[0].vector for each in ("none", "probes"))
    np.testing.assert_allclose(augmented, plain, atol=1e-6)


def test_it_is_explained_token_by_token(model):
    put(model, probes_for())
    embedder = load(model)
    [plain], [found] = (
        embed(embedder, ["the cat ran"], augmentation="none"),
        embed(embedder, ["the cat ran"], explain=True),
    )
    told = {each.token: each for each in found.augmented.influences}
    assert found.augmented.moved == pytest.approx(1 - float(plain.vector @ found.vector), abs=1e-5)
    assert told["cat"].moved > 0
    assert told["ran"].moved == pytest.approx(0, abs=1e-6)  # it has no probe
    moves = [each.moved for each in found.augmented.influences]
    assert moves == sorted(moves, reverse=True)
    assert embed(embedder, ["the cat"])[0].augmented.influences == ()


@pytest.mark.parametrize("make", [Learned, Contextual])
def test_gates_that_read_hidden_states_do_it_in_the_domain_of_the_query(model, make):
    torch.manual_seed(0)
    table = tied_table(np.random.default_rng(0).normal(size=(len(VOCABULARY), 20)).astype(np.float32), 4)
    gate = make(table, HIDDEN, torch.ones(len(table)))
    torch.nn.init.normal_(gate.projection)
    add_expert(model, "law", ffn_tensors(model, 1))
    put(model, gate, "general", "law")
    embedder = load(model)
    for domain in ("general", "law"):
        prepared = embedder.prepare([EmbedItem(text, domain, Role.QUERY) for text in TEXTS])
        plain = vectors(embed(embedder, TEXTS, domain, augmentation="none"))
        bags = gate.weigh([each.tokens.ids for each in prepared], embedder.hidden(prepared))
        wanted = gate.change(torch.from_numpy(plain), bags).detach().numpy()
        np.testing.assert_allclose(vectors(embed(embedder, TEXTS, domain)), wanted, atol=1e-5)
        alone = np.concatenate([vectors(embed(embedder, [text], domain)) for text in TEXTS])
        np.testing.assert_allclose(alone, wanted, atol=1e-5)


def test_a_tower_embeds_queries_alone(model):
    blocks = {name: each for name, each in ffn_tensors(model, 1, layers=(1,)).items() if name.startswith("layers.")}
    passages = vectors(embed(load(model), TEXTS, role=Role.PASSAGE))
    put(model, replace(probes_for(), strength=0.0), kind=Augmentation.TOWER, blocks=blocks)
    add_expert(
        model, "law", {name: each for name, each in ffn_tensors(model, 1, layers=(1,)).items() if name in blocks}
    )
    embedder = load(model)
    np.testing.assert_array_equal(vectors(embed(embedder, TEXTS, role=Role.PASSAGE)), passages)
    np.testing.assert_allclose(
        vectors(embed(embedder, TEXTS, "general")),
        vectors(embed(embedder, TEXTS, "law", augmentation="none")),
        atol=1e-5,
    )


def test_reloading_adds_changes_and_drops_augmenters(model):
    embedder = load(model)
    before = vectors(embed(embedder, TEXTS))
    versions = [embedder.domains.version("general")]
    for probes in (probes_for(), replace(probes_for(), strength=2.0)):
        put(model, probes)
        embedder.reload_experts()
        versions.append(embedder.domains.version("general"))
    assert len(set(versions)) == 3  # a cache must not answer with vectors of before
    assert np.abs(vectors(embed(embedder, TEXTS)) - before).max() > 0.01
    (model / "augmenters.json").unlink()
    embedder.reload_experts()
    gc.collect()
    np.testing.assert_array_equal(vectors(embed(embedder, TEXTS)), before)


def test_what_did_not_change_survives_reloads_and_texts_on_their_way_keep_theirs(model):
    saved = put(model, probes_for())
    embedder = load(model)
    before = vectors(embed(embedder, TEXTS))
    on_their_way = embedder.prepare([EmbedItem(text, role=Role.QUERY) for text in TEXTS])
    put_augmenter(model, replace(saved, default=False))
    for _ in range(2):
        embedder.reload_experts()
        gc.collect()
    np.testing.assert_array_equal(vectors(embed(embedder, TEXTS, augmentation="probes")), before)
    (model / "augmenters.json").unlink()
    embedder.reload_experts()
    gc.collect()
    np.testing.assert_array_equal(embedder.compute(on_their_way)[0], before)
    assert embed(embedder, TEXTS)[0].augmented is PLAIN


def test_an_augmenter_of_an_expert_that_changed_is_not_used(model, caplog):
    add_expert(model, "law", ffn_tensors(model, 1))
    put(model, probes_for(), "law")
    add_expert(model, "law", ffn_tensors(model, 2))
    with caplog.at_level(logging.WARNING):
        embedder = load(model)
    assert "augmenters of law are out of date" in caplog.text
    assert embed(embedder, TEXTS, "law")[0].augmented is PLAIN


def test_a_damaged_augmenter_stops_no_start_and_is_told(model, caplog):
    add_expert(model, "law", ffn_tensors(model, 1))
    saved, _ = put(model, probes_for()), put(model, probes_for(), "law", kind=Augmentation.PROBES)
    learned = put(model, Learned(torch.rand(len(VOCABULARY), 4), HIDDEN, torch.ones(len(VOCABULARY))), default=False)
    embedder = load(model)
    before = {domain: vectors(embed(embedder, TEXTS, domain)) for domain in ("general", "law")}
    (model / learned.file).write_bytes(b"damaged")
    started = load(model)
    [told] = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert f"queries of general go without augmenter learned: {model / learned.file} has sha256" in told
    assert told.endswith("copy the file again, or train the augmenter again")
    assert [each.version for each in started.domains.route("general").augmenters] == [saved.version]
    for domain, wanted in before.items():
        np.testing.assert_array_equal(vectors(embed(started, TEXTS, domain)), wanted)
    with pytest.raises(ModelError, match="has sha256"):
        started.reload_experts()


def test_a_model_of_vectors_of_any_length_has_none(write_model, tmp_path, caplog):
    model = write_model(tmp_path / "long", normalize=False)
    put(model, probes_for())
    assert load(model).domains.route("general").augmenters == ()
    assert "augmenters are for vectors of length 1" in caplog.text
