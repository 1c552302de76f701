"""A tiny model learns a made-up domain: which of two nonsense words belong together."""

import json
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from attune.embeddings.axes import Axes
from attune.embeddings.domains import ExpertKind
from attune.embeddings.embedder import Embedder
from attune.embeddings.heads import Head
from attune.embeddings.items import EmbedItem
from attune.embeddings.mixture.directory import make_model_directory
from attune.embeddings.mixture.manifest import read_manifest
from attune.embeddings.router import GENERAL
from attune.embeddings.training.frozen import FrozenBackbone
from attune.embeddings.training.joint import train_joint
from attune.embeddings.training.pairs import TextPair, TrainingDataError
from attune.embeddings.training.passages import Passage
from attune.embeddings.training.recipe import Material, Recipe
from attune.embeddings.training.saving import save_expert, save_joint, save_model
from attune.embeddings.training.session import Session, TrainingInterruptedError
from attune.embeddings.training.trainable import Kind, Shape
from attune.embeddings.training.training import Trained, train_expert, train_model
from attune.embeddings.words import Words

LETTERS = "abcdefghijklmnopqrstuvwxyz"
PAIRS = [TextPair(f"{first} {second}", f"{first} {second} green") for first in LETTERS for second in LETTERS[:4]]
DEV = [TextPair(f"{first} {first} z", f"{first} water") for first in LETTERS[:20]]
PASSAGES = [
    Passage(f"cat {each}{each}", f"the {each}{each} sat on the mat while dogs ran near {each}{each} trees.")
    for each in LETTERS
]
WITHOUT_WORDS = [Passage(f"{one} {two} {one}", " ".join([one, two] * 5)) for one in LETTERS for two in LETTERS[:4]]
"""BM25 sees no word in single letters."""
RECIPE = Recipe(steps=6, batch=8, evaluations=3, learning_rate=1e-2, max_tokens=24)


def quiet(_step: int, _loss: float) -> None:
    pass


@pytest.fixture(autouse=True)
def _precision_does_not_depend_on_how_busy_the_machine_is(monkeypatch):
    monkeypatch.setattr("attune.embeddings.training.session._measured_precision", lambda: "fp32")


@pytest.fixture
def model(shared_tiny_model, tmp_path) -> Path:
    make_model_directory(shared_tiny_model, tmp_path / "model")
    return tmp_path / "model"


def trained_on(model: Path, work: Path, recipe: Recipe = RECIPE, tell: Callable[[int, float], None] = quiet) -> Trained:
    return train_expert(model, Material("law", PAIRS, DEV), recipe, work, tell)


def blocks_of(trained: Trained) -> dict[str, torch.Tensor]:
    """What was learned, the head left out."""
    return {name: each for name, each in trained.candidates[-1].tensors.items() if name.startswith("layers.")}


def head_of(tensors: Mapping[str, torch.Tensor]) -> Head:
    axes = Axes(tensors["axes.centre"], tensors["axes.matrix"])
    words = [tensors[f"words.{name}"] for name in ("mixing", "weights", "ids", "rows") if "words.ids" in tensors]
    return Head(axes, Words(*words) if words else None)


def vectors(directory: Path, domain: str = GENERAL) -> np.ndarray:
    embedder = Embedder.load(str(directory), "fp32")
    results = embedder.embed([EmbedItem(pair.a, domain=domain) for pair in DEV]).results
    return np.array([result.vector for result in results])


@pytest.mark.parametrize("kind", [Kind.FFN, Kind.LORA])
def test_an_expert_learns_and_is_served_as_it_was_trained(model, tmp_path, kind):
    losses: list[float] = []
    recipe = replace(RECIPE, shape=Shape(kind, rank=4), steps=30)
    trained = trained_on(model, tmp_path / "work", recipe, lambda _step, loss: losses.append(loss))
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    before = vectors(model)
    [alone] = [replace(each, figures={"dev": 1.0}) for each in trained.candidates if each.kind.value == kind]
    without_head = {name: each for name, each in alone.tensors.items() if not name.startswith(("axes.", "words."))}
    # What is saved does not depend on how good it is.
    trained = replace(trained, before={"dev": 0.0}, candidates=[replace(alone, tensors=without_head)])
    entry = save_expert(model, "law", "Statutes", trained, {"steps": 30})
    assert (entry.kind, entry.training, entry.metrics["general_dev"]) == (kind.value, {"steps": 30}, 0.0)
    np.testing.assert_array_equal(vectors(model), before)
    with torch.no_grad():
        features = trained.transformer.preprocess([pair.a for pair in DEV], task="law")
        hidden = trained.transformer(features)["token_embeddings"].sum(1)
    expected = torch.nn.functional.normalize(hidden / features["attention_mask"].sum(1, keepdim=True)).numpy()
    np.testing.assert_allclose(vectors(model, "law"), expected, atol=1e-5)
    assert np.abs(vectors(model, "law") - before).max() > 0.01


def test_an_expert_of_the_last_layer_leaves_the_first_and_has_no_token(model, tmp_path):
    trained = trained_on(model, tmp_path / "work", replace(RECIPE, shape=Shape(Kind.FFN, layers=1)))
    assert {name.split(".")[1] for name in blocks_of(trained)} == {"1"}


def test_an_expert_begins_as_the_general_one(model, tmp_path):
    trained = trained_on(model, tmp_path / "work", replace(RECIPE, learning_rate=1e-12))
    assert trained.after["dev"] == pytest.approx(trained.before["dev"], abs=0.02)


def test_an_expert_that_is_no_better_is_not_used(model, tmp_path):
    trained = trained_on(model, tmp_path / "work")
    best = max(candidate.figures["dev"] for candidate in trained.candidates)
    entry = save_expert(model, "law", "", replace(trained, before={"dev": best}), {})
    assert (entry.kind, entry.file) == ("general", "")
    np.testing.assert_array_equal(vectors(model, "law"), vectors(model))


def test_documents_alone_are_enough(model, tmp_path):
    trained = train_expert(model, Material("law", passages=PASSAGES), RECIPE, tmp_path / "work", quiet)
    assert trained.facts["lexical_share"] > 0
    assert 0 <= trained.after["teacher_overlap"] <= 1
    assert trained.after["ranking"] == trained.after["known_item_mrr"]


def test_where_words_add_nothing_to_the_backbone_there_is_nothing_to_learn(model, tmp_path):
    trained = train_expert(model, Material("law", passages=WITHOUT_WORDS), RECIPE, tmp_path / "work", quiet)
    assert trained.facts["lexical_share"] == 0
    assert (trained.after, trained.log) == (trained.before, [])
    entry = save_expert(model, "law", "", replace(trained, candidates=[]), {})
    assert (entry.kind, entry.metrics["lexical_share"]) == ("general", 0)


def test_pairs_and_documents_are_learned_in_turns(model, tmp_path):
    trained = train_expert(model, Material("law", PAIRS, DEV, PASSAGES), RECIPE, tmp_path / "work", quiet)
    mean = (trained.after["average_precision"] + trained.after["ranking"]) / 2
    assert trained.after["dev"] == pytest.approx(mean)


def test_negatives_are_mined(model, tmp_path):
    trained_on(model, tmp_path / "work", replace(RECIPE, hard_negatives=2))


def test_the_same_seed_trains_the_same_expert(model, tmp_path):
    first, again, other = (
        blocks_of(trained_on(model, tmp_path / f"work{number}", replace(RECIPE, seed=seed)))
        for number, seed in enumerate((1, 1, 2))
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_a_training_that_is_stopped_or_killed_goes_on_to_the_same_end(model, tmp_path):
    expected = blocks_of(trained_on(model, tmp_path / "whole"))

    def stop(step: int, _loss: float) -> None:
        if step == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(TrainingInterruptedError, match="goes on from its last checkpoint"):
        trained_on(model, tmp_path / "work", tell=stop)
    half_written = tmp_path / "work" / "checkpoint-5"  # as kill -9 leaves it
    half_written.mkdir()
    (half_written / ".tmpE49iMe").write_bytes(b"half")
    steps: list[int] = []
    found = blocks_of(trained_on(model, tmp_path / "work", tell=lambda step, _loss: steps.append(step)))
    assert 3 < steps[0] <= 5
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor)


def test_a_training_goes_on_in_the_precision_that_it_began_in(model, tmp_path, monkeypatch):
    monkeypatch.setattr("attune.embeddings.training.session._measured_precision", lambda: "bf16")
    trained_on(model, tmp_path / "work")
    monkeypatch.setattr("attune.embeddings.training.session._measured_precision", lambda: pytest.fail("known"))
    session = Session(model, [Material("law", PAIRS, DEV)], RECIPE, tmp_path / "work", quiet)
    assert session._dtype is torch.bfloat16


def test_checkpoints_of_another_training_are_not_gone_on_from(model, tmp_path):
    trained_on(model, tmp_path / "work")
    with pytest.raises(TrainingDataError, match="checkpoints of another training"):
        trained_on(model, tmp_path / "work", replace(RECIPE, seed=5))


def test_a_whole_model_is_saved_as_its_family_publishes_it(shared_tiny_model, tmp_path):
    recipe = replace(RECIPE, shape=Shape(Kind.FULL), learning_rate=1e-3)
    materials = [Material("law", PAIRS, DEV), Material("bio", PAIRS[::-1], DEV)]
    trained = train_model(shared_tiny_model, materials, recipe, tmp_path / "work", quiet)
    save_model(shared_tiny_model, tmp_path / "whole", trained, "all")
    with torch.no_grad():
        features = trained.transformer.preprocess([pair.a for pair in DEV])
        hidden = trained.transformer(features)["token_embeddings"].sum(1)
    expected = torch.nn.functional.normalize(hidden / features["attention_mask"].sum(1, keepdim=True)).numpy()
    np.testing.assert_allclose(vectors(tmp_path / "whole"), expected, atol=1e-5)
    weights = tmp_path / "whole" / "model.safetensors"
    assert weights.stat().st_mode == (tmp_path / "whole" / "config.json").stat().st_mode  # for other users to serve
    assert np.abs(vectors(tmp_path / "whole") - vectors(shared_tiny_model)).max() > 1e-3


def test_a_training_leaves_a_log_and_a_plot(model, tmp_path):
    save_expert(model, "law", "", trained_on(model, tmp_path / "work"), {})
    log = json.loads((model / "training" / "law.json").read_text())
    assert sum("loss" in entry for entry in log) == RECIPE.steps
    assert (model / "training" / "law.png").read_bytes().startswith(b"\x89PNG")


def test_training_outside_the_main_thread_cannot_be_stopped_but_runs(model, tmp_path):
    found: list[Trained] = []
    thread = threading.Thread(target=lambda: found.append(trained_on(model, tmp_path / "work")))
    thread.start()
    thread.join()
    assert len(found) == 1


@pytest.mark.parametrize("name", ["axes", "axes_of_pairs", "words", "words_of_pairs"])
def test_heads_need_no_training(model, tmp_path, name):
    """And are served, by the service and by sentence-transformers, as they were judged."""
    recipe = replace(RECIPE, shape=Shape(Kind.AXES))
    material = Material("law", PAIRS, DEV, passages=PASSAGES)
    trained = train_expert(model, material, recipe, tmp_path / "work", quiet)
    assert (trained.after, trained.log) == (trained.before, [])
    [candidate] = [each for each in trained.candidates if each.name == name]
    assert ("words.rows" in candidate.tensors) == name.startswith("words")
    before = vectors(model)
    chosen = replace(trained, before={"dev": -1.0}, candidates=[candidate])
    assert save_expert(model, "law", "", chosen, {}).kind is ExpertKind.AXES
    tokens = FrozenBackbone.load(model, "fp32").tokens([pair.a for pair in DEV])
    expected = head_of(candidate.tensors)(torch.from_numpy(before), tokens)
    np.testing.assert_allclose(vectors(model, "law"), expected.numpy(), atol=1e-5)
    assert np.abs(vectors(model, "law") - before).max() > 0.01
    np.testing.assert_array_equal(vectors(model), before)
    other = SentenceTransformer(str(model), device="cpu", trust_remote_code=True)
    texts = [pair.a for pair in DEV]
    np.testing.assert_allclose(other.encode(texts, task="law"), vectors(model, "law"), atol=1e-5)
    np.testing.assert_allclose(other.encode(texts), before, atol=1e-5)


def test_what_was_learned_has_a_head_of_its_own_where_that_is_better(model, tmp_path):
    trained = trained_on(model, tmp_path / "work", replace(RECIPE, steps=30))
    *heads, best = trained.candidates
    has_head = "axes.matrix" in best.tensors
    assert (best.figures["dev"] > trained.after["dev"]) == has_head == ("_with_" in best.name)
    assert {each.kind for each in heads} == {ExpertKind.AXES}
    assert best.kind is ExpertKind.FFN


def test_where_there_are_pairs_documents_judge_and_are_not_learned_from(model, tmp_path):
    session = Session(model, [Material("law", PAIRS, DEV, passages=PASSAGES)], RECIPE, tmp_path / "work", quiet)
    assert [task.name for task in session.tasks] == ["law-pairs", "law-rankings"]
    assert [task.name for task in session.learning] == ["law-pairs"]
    assert session.tasks[1].judge.measure(session.backbone)["ranking"] > 0


def test_a_model_whose_vectors_have_any_length_gets_no_head(write_model, tmp_path):
    make_model_directory(write_model(tmp_path / "plain", normalize=False), tmp_path / "model")
    recipe = replace(RECIPE, shape=Shape(Kind.AXES))
    trained = train_expert(tmp_path / "model", Material("law", passages=PASSAGES), recipe, tmp_path / "work", quiet)
    assert trained.candidates == []


def test_experts_and_their_shared_weights_are_trained_together(shared_tiny_model, tmp_path):
    """What is saved is what was trained: each expert, and the general one, which learned too."""
    materials = [Material("law", PAIRS, DEV), Material("bio", [TextPair(p.a, f"{p.a[0]} water") for p in PAIRS], DEV)]
    recipe = replace(RECIPE, learning_rate=1e-3, steps=12, evaluations=1)
    joint = train_joint(shared_tiny_model, materials, recipe, tmp_path / "work", quiet)
    texts = [pair.a for pair in DEV]
    save_joint(shared_tiny_model, tmp_path / "joint", joint, {each.domain: {"steps": 6} for each in materials})
    law, bio, general = (vectors(tmp_path / "joint", domain) for domain in ("law", "bio", GENERAL))
    for one, other in ((law, bio), (law, general), (general, vectors(shared_tiny_model))):
        assert np.abs(one - other).max() > 1e-4
    other = SentenceTransformer(str(tmp_path / "joint"), device="cpu", trust_remote_code=True)
    np.testing.assert_allclose(other.encode(texts, task="law"), law, atol=1e-5)
    np.testing.assert_allclose(other.encode(texts), general, atol=1e-5)
    entries = read_manifest(tmp_path / "joint", "joint").experts
    assert [(each.id, each.kind, each.training["steps"]) for each in entries] == [("law", "ffn", 6), ("bio", "ffn", 6)]
    assert all(each.routing_file for each in entries)


def test_a_joint_training_that_is_stopped_goes_on_to_the_same_end(shared_tiny_model, tmp_path):
    materials = [Material("law", PAIRS, DEV), Material("bio", PAIRS[::-1], DEV)]

    def stop(step: int, _loss: float) -> None:
        if step == 4:
            signal.raise_signal(signal.SIGINT)

    whole = train_joint(shared_tiny_model, materials, RECIPE, tmp_path / "whole", quiet)
    with pytest.raises(TrainingInterruptedError):
        train_joint(shared_tiny_model, materials, RECIPE, tmp_path / "work", stop)
    again = train_joint(shared_tiny_model, materials, RECIPE, tmp_path / "work", quiet)
    for domain, tensors in whole.tensors.items():
        for name, tensor in tensors.items():
            torch.testing.assert_close(again.tensors[domain][name], tensor)
