"""Experts in a running embedder: loaded, added, changed and dropped."""

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from tests.unit.embeddings.mixture.material import add_expert, backbone, copied, ffn_tensors, lora_tensors

from attune.embeddings.axes import Axes
from attune.embeddings.config import read_model_config
from attune.embeddings.domains import ExpertKind
from attune.embeddings.embedder import Embedder
from attune.embeddings.encoder import Encoder
from attune.embeddings.errors import ModelError, UnknownDomainError
from attune.embeddings.heads import Head
from attune.embeddings.items import EmbedItem
from attune.embeddings.mixture.directory import make_model_directory
from attune.embeddings.mixture.expert_files import DOMAIN_TOKEN, head_tensors, make_blocks
from attune.embeddings.mixture.manifest import ExpertEntry, put_expert, read_manifest, write_manifest
from attune.embeddings.mixture.samples import write_sample
from attune.embeddings.precision import Precision
from attune.embeddings.router import DomainSample
from attune.embeddings.words import Words

TEXTS = ["the cat", "dogs ran near the old green trees", "a"]


@pytest.fixture
def model(shared_tiny_model, tmp_path) -> Path:
    return copied(shared_tiny_model, tmp_path / "model")


def load(model: Path) -> Embedder:
    return Embedder.load(str(model), "fp32")


def vectors(embedder: Embedder, domain: str = "") -> np.ndarray:
    return vectors_of(embedder, TEXTS, domain)


def vectors_of(embedder: Embedder, texts: list[str], domain: str = "") -> np.ndarray:
    results = embedder.embed([EmbedItem(text, domain=domain) for text in texts]).results
    return np.array([result.vector for result in results])


def remove(model: Path, domain: str) -> None:
    write_manifest(model, read_manifest(model, "tiny").without(domain))


def test_a_text_is_embedded_by_the_expert_of_its_domain(model):
    tensors = ffn_tensors(model, 1)
    add_expert(model, "law", dict(tensors))
    embedder = load(model)
    config = read_model_config(model)
    encoder = Encoder(backbone(model), config, Precision(embedder.precision.dtype, "", prepacked=False))
    token = tensors.pop(DOMAIN_TOKEN)
    general = [layer.get_submodule("feed_forward") for layer in backbone(model).layers]
    number = encoder.add_expert(make_blocks(tensors, ExpertKind.FFN, general, "test"), token)
    ids = [entry.tokens.ids for entry in embedder.prepare([EmbedItem(text) for text in TEXTS])]
    np.testing.assert_allclose(vectors(embedder, "law"), encoder.encode(ids, [number] * len(ids)), atol=1e-5)
    assert np.abs(vectors(embedder, "law") - vectors(embedder)).max() > 0.01


def head_for(dimension: int, *, words: bool = False, reach: int = 0) -> Head:
    generator = torch.Generator().manual_seed(3)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) / dimension**0.5

    axes = Axes(0.5 * noise(dimension), torch.eye(dimension) + 0.5 * noise(dimension, dimension))
    ids = torch.tensor([5, 9, 11, 30])
    own = Words(
        torch.eye(dimension) + noise(dimension, dimension),
        torch.rand(40, generator=generator),
        ids,
        noise(4, dimension),
        reach,
    )
    return Head(axes, own if words else None)


@pytest.mark.parametrize("words", [False, True])
def test_the_vectors_of_an_expert_with_a_head_go_through_it(model, words):
    head = head_for(load(model).dimension, words=words)
    add_expert(model, "law", ffn_tensors(model, 1))
    add_expert(model, "bio", ffn_tensors(model, 1) | head_tensors(head))
    add_expert(model, "fin", head_tensors(head), ExpertKind.AXES)
    embedder = load(model)
    tokens = [entry.tokens.ids for entry in embedder.prepare([EmbedItem(text) for text in TEXTS])]
    bare = [ids[1:] for ids in tokens]  # with a domain's token in place of the first one, which is no word
    for plain, moved, seen in (("law", "bio", bare), ("", "fin", tokens)):
        expected = head(torch.from_numpy(vectors(embedder, plain)), seen).numpy()
        np.testing.assert_allclose(vectors(embedder, moved), expected, atol=1e-6)
        assert np.abs(expected - vectors(embedder, plain)).max() > 0.01
    [fin] = [domain for domain in embedder.domains.domains() if domain.id == "fin"]
    assert fin.expert.memory_bytes == sum(tensor.nbytes for tensor in head_tensors(head).values())


@pytest.mark.parametrize("reach", [45, 1000])
def test_words_with_a_reach_read_what_the_layers_do_not(shared_tiny_model, tmp_path, reach):
    """The same in the service, whether the domain is given or found, and in sentence-transformers; others do not."""
    model = tmp_path / "made"
    make_model_directory(shared_tiny_model, model)
    text = "the cat sat on " * 10 + "dogs ran near " * 14
    head = head_for(32, words=True, reach=reach)
    add_expert(model, "fin", head_tensors(head), ExpertKind.AXES)
    add_expert(model, "law", head_tensors(head_for(32, words=True)), ExpertKind.AXES)
    embedder = load(model)
    [entry] = embedder.prepare([EmbedItem(text, "fin")])
    assert len(entry.tokens.ids) == embedder.max_tokens
    assert len(entry.tokens.beyond) == min(reach, 84) - embedder.max_tokens
    general = torch.from_numpy(vectors_of(embedder, [text], "general"))
    read, seen = [[*entry.tokens.ids, *entry.tokens.beyond]], [entry.tokens.ids]
    expected = head(general, read).numpy()
    assert np.abs(expected - head(general, seen).numpy()).max() > 0.01
    np.testing.assert_allclose(vectors_of(embedder, [text], "fin"), expected, atol=1e-6)
    own = head_for(32, words=True)(general, seen).numpy()
    np.testing.assert_allclose(vectors_of(embedder, [text], "law"), own, atol=1e-6)
    others = embedder.prepare([EmbedItem(text, "law"), EmbedItem(text, "general"), EmbedItem(text)])
    assert [len(each.tokens.beyond) for each in others] == [0, 0, 0]
    [fin] = [domain for domain in embedder.domains.domains() if domain.id == "fin"]
    np.testing.assert_allclose(embedder.moved(general.numpy(), [text], fin), expected, atol=1e-6)
    other = SentenceTransformer(str(model), device="cpu", trust_remote_code=True)
    np.testing.assert_allclose(other.encode([text, "a"], task="fin")[:1], expected, atol=1e-5)
    np.testing.assert_allclose(other.encode([text, "a"], task="law")[:1], own, atol=1e-5)
    route_around(general.numpy(), 0.1, model, "fin")
    [found] = load(model).embed([EmbedItem(text)]).results
    assert found.domain == "fin"
    np.testing.assert_allclose(found.vector[None], expected, atol=1e-6)


def test_an_axes_expert_that_leaves_takes_its_axes_with_it(model):
    add_expert(model, "fin", head_tensors(head_for(load(model).dimension)), ExpertKind.AXES)
    embedder = load(model)
    before = vectors(embedder)
    remove(model, "fin")
    embedder.reload_experts()
    gc.collect()
    add_expert(model, "law", ffn_tensors(model, 1))
    embedder.reload_experts()
    np.testing.assert_allclose(vectors(embedder, "law"), vectors(load(model), "law"), atol=1e-6)
    np.testing.assert_array_equal(vectors(embedder), before)


def route_around(vectors: np.ndarray, spread: float, model: Path, domain: str) -> None:
    """Let texts whose general vectors are so near to some of `vectors` be taken for the domain's."""
    around = np.repeat(vectors, 90 // len(vectors), axis=0)
    around = (around + np.random.default_rng(1).normal(0, spread, around.shape)).astype(np.float32)
    file, sha256 = write_sample(model, domain, DomainSample.of(around, around))
    entry = replace(read_manifest(model, "tiny").find(domain), routing_file=file, routing_sha256=sha256)
    put_expert(model, entry, "tiny")


def test_a_text_that_is_routed_to_a_head_is_computed_once(model, monkeypatch):
    add_expert(model, "fin", head_tensors(head_for(load(model).dimension, words=True)), ExpertKind.AXES)
    own = vectors(load(model))
    route_around(own, 0.3, model, "fin")
    embedder = load(model)
    given = vectors(embedder, "fin")
    passes: list[int] = []
    encode = embedder._encoder.encode
    monkeypatch.setattr(embedder._encoder, "encode", lambda *them: passes.append(1) or encode(*them))
    results = embedder.embed([EmbedItem(text) for text in TEXTS]).results
    assert {result.domain for result in results} == {"fin"}
    assert len(passes) == 1
    np.testing.assert_allclose(np.array([result.vector for result in results]), given, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axes.matrix": torch.eye(5)}, r"axes.centre \[d\] and axes.matrix \[d, d\] do not fit"),
        ({"axes.centre": torch.zeros(5), "axes.matrix": torch.eye(5)}, "words of 32, axes of 5"),
        ({"axes.centre": torch.full((32,), float("nan"))}, "axes.centre holds NaN"),
        ({"words.mixing": torch.eye(5)}, "words.mixing, .* do not fit"),
        ({"words.mixing": torch.tensor(1.0)}, "words.mixing, .* do not fit"),
        ({"words.ids": torch.tensor(5)}, "words.mixing, .* do not fit"),
        ({"words.rows": torch.ones(4, 32, dtype=torch.int64)}, "words.mixing, .* do not fit"),
        ({"axes.matrix": torch.ones(32, 32, dtype=torch.int64)}, r"axes.centre \[d\] and axes.matrix \[d, d\] do not"),
        ({"words.rows": torch.zeros(3, 32)}, "words.mixing, .* do not fit"),
        ({"words.ids": torch.tensor([5, 9, 9, 30])}, "words.mixing, .* do not fit"),
        ({"words.ids": torch.tensor([5, 9, 11, 40])}, "words.mixing, .* do not fit"),
        ({"words.ids": torch.tensor([5.0, 9.0, 11.0, 30.0])}, "words.mixing, .* do not fit"),
        ({"words.mixing": torch.eye(5), "words.rows": torch.zeros(4, 5)}, "words of 5, axes of 32"),
        ({"words.weights": torch.ones(10_000)}, "words of 10000 tokens, at most"),
        ({"words.reach": torch.tensor([-1])}, "words.reach is no number of tokens"),
        ({"words.reach": torch.tensor(7)}, "words.reach is no number of tokens"),
        ({"words.reach": torch.tensor([7.0])}, "words.reach is no number of tokens"),
    ],
)
def test_heads_that_do_not_fit_are_refused(model, changes, message):
    add_expert(model, "fin", head_tensors(head_for(32, words=True)) | changes, ExpertKind.AXES)
    with pytest.raises(ModelError, match=message):
        load(model)


def test_axes_of_another_backbone_are_refused(model):
    add_expert(model, "fin", head_tensors(head_for(5)), ExpertKind.AXES)
    with pytest.raises(ModelError, match="axes of 5, expected 32"):
        load(model)


def test_an_axes_expert_without_axes_is_refused(model):
    add_expert(model, "fin", {}, ExpertKind.AXES)
    with pytest.raises(ModelError, match=r"has neither axes\.centre nor axes\.matrix"):
        load(model)


def test_axes_in_a_model_whose_vectors_have_any_length_are_refused(write_model, tmp_path):
    model = write_model(tmp_path / "plain", normalize=False)
    add_expert(model, "fin", head_tensors(head_for(32)), ExpertKind.AXES)
    with pytest.raises(ModelError, match="an expert has axes, and the model's vectors are of any length"):
        load(model)


def test_texts_of_several_domains_go_each_through_its_own_head(model):
    """Mixed in one batch, as each of them alone: a head takes its own texts' tokens, and no others'."""
    for number, name in enumerate(("bio", "fin", "law")):
        head = head_for(32, words=True)
        words = replace(head.words, rows=(1 + number) * head.words.rows)
        add_expert(model, name, head_tensors(replace(head, words=words)), ExpertKind.AXES)
    embedder = load(model)
    texts = [*TEXTS, "old water near the mat", "a cat ran", "green trees sat"]
    items = [EmbedItem(text, domain=["law", "", "fin", "bio"][place % 4]) for place, text in enumerate(texts)]
    mixed = np.array([result.vector for result in embedder.embed(items).results])
    alone = np.array([embedder.embed([item]).results[0].vector for item in items])
    np.testing.assert_allclose(mixed, alone, atol=1e-6)
    general = vectors_of(embedder, texts)
    moved = [place for place, item in enumerate(items) if item.domain]
    assert np.abs(mixed[moved] - general[moved]).max(axis=1).min() > 0.01


def test_of_a_routed_batch_only_the_texts_of_the_domain_go_through_its_head(model):
    add_expert(model, "fin", head_tensors(head_for(32, words=True)), ExpertKind.AXES)
    own = vectors(load(model))[:2]
    route_around(own, 0.05, model, "fin")
    embedder = load(model)
    texts = ["a", *TEXTS[:2], "z z z z"]
    results = embedder.embed([EmbedItem(text) for text in texts]).results
    domains = [result.domain for result in results]
    assert domains[1:3] == ["fin", "fin"]
    assert "general" in domains
    named = [EmbedItem(text, domain=domain) for text, domain in zip(texts, domains, strict=True)]
    expected = [result.vector for result in embedder.embed(named).results]
    np.testing.assert_allclose([result.vector for result in results], expected, atol=1e-6)


def test_the_domain_token_alone_changes_the_vectors(model):
    add_expert(model, "law", {DOMAIN_TOKEN: ffn_tensors(model, 1)[DOMAIN_TOKEN]})
    embedder = load(model)
    assert np.abs(vectors(embedder, "law") - vectors(embedder)).max() > 0.01


def test_domains_say_what_serves_them(model):
    entry = add_expert(model, "law", lora_tensors(model, 1), ExpertKind.LORA)
    general, law = load(model).domains.domains()
    assert (law.kind, law.version, law.description) == (
        ExpertKind.LORA,
        entry.version(read_manifest(model, "").backbone_sha256),
        "Texts about law",
    )
    assert general.expert.memory_bytes == 0
    parameters = sum(each.numel() for layer in backbone(model).layers for each in layer.feed_forward.parameters())
    assert law.expert.memory_bytes == 4 * parameters


def test_a_domain_may_be_served_by_the_general_expert(model):
    entry = ExpertEntry("news", "Newspapers", ExpertKind.GENERAL)
    write_manifest(model, read_manifest(model, "tiny").with_expert(entry))
    embedder = load(model)
    np.testing.assert_array_equal(vectors(embedder, "news"), vectors(embedder))


def test_adding_changing_and_removing_an_expert_changes_no_byte_of_the_others(model):
    add_expert(model, "law", ffn_tensors(model, 1))
    embedder = load(model)
    before = {domain: vectors(embedder, domain) for domain in ("", "law")}
    for change in (
        lambda: add_expert(model, "bio", ffn_tensors(model, 2)),
        lambda: add_expert(model, "bio", lora_tensors(model, 3), ExpertKind.LORA),
        lambda: remove(model, "bio"),
    ):
        change()
        embedder.reload_experts()
        for domain, expected in before.items():
            np.testing.assert_array_equal(vectors(embedder, domain), expected)


def test_a_changed_expert_takes_the_place_of_the_one_before(model):
    add_expert(model, "law", ffn_tensors(model, 1))
    embedder = load(model)
    first = embedder.domains.route("law")
    before = vectors(embedder, "law")
    add_expert(model, "law", ffn_tensors(model, 2))
    embedder.reload_experts()
    assert embedder.domains.route("law").version != first.version
    assert np.abs(vectors(embedder, "law") - before).max() > 0.01


def test_texts_on_their_way_keep_the_expert_that_they_were_routed_to(model):
    add_expert(model, "law", ffn_tensors(model, 1))
    embedder = load(model)
    before = vectors(embedder, "law")
    on_their_way = embedder.prepare([EmbedItem(text, domain="law") for text in TEXTS])
    remove(model, "law")
    embedder.reload_experts()
    add_expert(model, "bio", ffn_tensors(model, 2))
    embedder.reload_experts()
    np.testing.assert_array_equal(embedder.compute(on_their_way)[0], before)
    [refused] = embedder.embed([EmbedItem("the cat", domain="law")]).results
    assert isinstance(refused, UnknownDomainError)


def test_an_expert_that_nobody_uses_leaves_the_encoder(model):
    embedder = load(model)
    for seed in range(5):
        add_expert(model, "law", ffn_tensors(model, seed))
        embedder.reload_experts()
        gc.collect()
    assert embedder.domains.route("law").expert.number <= 2
    assert embedder._encoder.experts <= 3


def test_an_expert_that_did_not_change_is_not_loaded_again(model):
    add_expert(model, "law", ffn_tensors(model, 1))
    embedder = load(model)
    expert = embedder.domains.route("law").expert
    add_expert(model, "bio", ffn_tensors(model, 2))
    embedder.reload_experts()
    assert embedder.domains.route("law").expert is expert


def test_an_expert_that_cannot_be_loaded_leaves_all_as_it_was(model):
    add_expert(model, "law", ffn_tensors(model, 1))
    embedder = load(model)
    before = vectors(embedder, "law")
    add_expert(model, "law", ffn_tensors(model, 2))
    entry = add_expert(model, "bio", ffn_tensors(model, 3))
    (model / entry.file).write_bytes(b"damaged")
    with pytest.raises(ModelError, match="has sha256"):
        embedder.reload_experts()
    assert [domain.id for domain in embedder.domains.domains()] == ["general", "law"]
    np.testing.assert_array_equal(vectors(embedder, "law"), before)


def test_another_backbone_needs_a_restart(model):
    embedder = load(model)
    (model / "model.safetensors").write_bytes(b"another")
    with pytest.raises(ModelError, match="others than those loaded: restart"):
        embedder.reload_experts()
