"""Augmenters on disk, and the manifest that says which there are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.unit.embeddings.augmentation.test_gate import gates
from tests.unit.embeddings.conftest import HIDDEN, VOCABULARY
from tests.unit.embeddings.mixture.material import backbone, copied, ffn_tensors

from attune.embeddings.augmentation.files import probe_tensors, read_augmenter, save_augmenter, write_augmenter
from attune.embeddings.augmentation.gate import Statistical, tied_table
from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.augmentation.manifest import (
    AUGMENTERS_FILE,
    AugmenterEntry,
    AugmenterManifest,
    put_augmenter,
    read_augmenters,
)
from attune.embeddings.augmentation.probes import Probes
from attune.embeddings.errors import ModelError


@pytest.fixture
def model(shared_tiny_model, tmp_path) -> Path:
    return copied(shared_tiny_model, tmp_path / "model")


def probes_for(size: int = HIDDEN, vocabulary: int = len(VOCABULARY)) -> Probes:
    rows = torch.nn.functional.normalize(torch.randn(4, size, generator=torch.Generator().manual_seed(5)))
    return Probes(torch.ones(vocabulary), torch.tensor([5, 6, 7, 11]), rows, 0.4, 1.2)


def entry(kind: Augmentation = Augmentation.PROBES, **domains: str) -> AugmenterEntry:
    return AugmenterEntry(kind, domains or {"general": "v1"}, default=True, metrics={"keywords": 0.5})


def test_probes_come_back_as_they_were(model):
    saved = save_augmenter(model, probes_for(), entry())
    assert read_augmenters(model).of("general", "v1") == {Augmentation.PROBES: saved}
    found = read_augmenter(model, saved, backbone(model)).augmenter
    query = torch.nn.functional.normalize(torch.ones(1, HIDDEN))
    for tokens in ([5], [5, 11]):
        torch.testing.assert_close(
            found.change(query, found.weigh([tokens], ())), probes_for().change(query, probes_for().weigh([tokens]))
        )


def test_probes_that_do_not_say_what_is_enough_move_any_query_as_far(model):
    tensors = {name: each for name, each in probe_tensors(probes_for()).items() if name != "probes.enough"}
    file, sha256 = write_augmenter(model, "probes", tensors)
    found = read_augmenter(model, replace(entry(), file=file, sha256=sha256), backbone(model)).augmenter
    assert found.enough == 0


def test_gates_come_back_as_they_were(model):
    table = tied_table(np.random.default_rng(0).normal(size=(len(VOCABULARY), 20)).astype(np.float32), 4)
    gate = Statistical(table, HIDDEN, torch.rand(len(VOCABULARY)))
    torch.nn.init.normal_(gate.projection)
    saved = save_augmenter(model, gate, entry(Augmentation.STATISTICAL))
    found = read_augmenter(model, saved, backbone(model)).augmenter
    query = torch.nn.functional.normalize(torch.ones(1, HIDDEN))
    torch.testing.assert_close(found.change(query, found.weigh([[5]], ())), gate.change(query, gate.weigh([[5]])))


def test_a_tower_has_blocks_for_some_layers(model):
    blocks = {name: each for name, each in ffn_tensors(model, 1, layers=(1,)).items() if name.startswith("layers.")}
    saved = save_augmenter(model, probes_for(), entry(Augmentation.TOWER), blocks)
    found = read_augmenter(model, saved, backbone(model))
    assert [block is None for block in found.blocks] == [True, False]


def test_the_files_of_replaced_augmenters_go_when_no_reader_can_need_them(model):
    """One that has read the manifest of before finds its files; those of the one before that are gone."""
    kept = save_augmenter(model, gates()[0], entry(Augmentation.STATISTICAL))
    files = []
    for strength in (0.1, 0.2, 0.3):
        files.append(save_augmenter(model, replace(probes_for(), strength=strength), entry()).file)
        found = {str(each.relative_to(model)) for each in (model / "augmenters").iterdir()}
        assert found == {kept.file, *files[-2:]}


def test_a_tower_without_blocks_is_refused(model):
    saved = save_augmenter(model, probes_for(), entry(Augmentation.TOWER))
    with pytest.raises(ModelError, match="kind tower and has no blocks for any layer: copy the file again"):
        read_augmenter(model, saved, backbone(model))


@pytest.mark.parametrize(
    ("augmenter", "problem"),
    [
        (probes_for(size=HIDDEN + 1), "for vectors of 33, these are of 32"),
        (probes_for(vocabulary=900), "for 900 tokens, the backbone has"),
        (probes_for(vocabulary=20), "for 20 tokens, the backbone has"),
        (gates()[0], "for vectors of 12, these are of 32"),
    ],
)
def test_an_augmenter_of_another_model_is_refused(model, augmenter, problem):
    saved = save_augmenter(model, augmenter, entry(augmenter.kind))
    with pytest.raises(ModelError, match=problem):
        read_augmenter(model, saved, backbone(model))


def test_damaged_files_are_refused(model):
    saved = save_augmenter(model, probes_for(), entry())
    (model / saved.file).write_bytes(b"damaged")
    with pytest.raises(ModelError, match="has sha256"):
        read_augmenter(model, saved, backbone(model))
    file, sha256 = write_augmenter(model, "probes", {"probes.weights": torch.ones(5)})
    with pytest.raises(ModelError, match=r"is no augmenter of kind probes \('probes.ids'\)"):
        read_augmenter(model, replace(saved, file=file, sha256=sha256), backbone(model))
    shapes = {
        "weights": torch.ones(5),
        "ids": torch.arange(3),
        "rows": torch.ones(2, HIDDEN),
        "strength": torch.ones(()),
    }
    file, sha256 = write_augmenter(model, "probes", {f"probes.{name}": each for name, each in shapes.items()})
    with pytest.raises(ModelError, match="do not fit"):
        read_augmenter(model, replace(saved, file=file, sha256=sha256), backbone(model))


def test_ids_out_of_order_are_refused(model):
    probes = replace(probes_for(), ids=torch.tensor([6, 5, 7, 11]))
    saved = save_augmenter(model, probes, entry())
    with pytest.raises(ModelError, match="ascending order"):
        read_augmenter(model, saved, backbone(model))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[]", "holds a list"),
        ('{"format": 2}', "format 2 is not supported"),
        ('{"augmenters": [{"kind": "magic"}]}', r"augmenters\[0\].kind is 'magic': use one of statistical"),
        ('{"augmenters": [{"kind": "none"}]}', "kind is 'none'"),
        ('{"augmenters": [{"kind": "probes", "file": "../x", "sha256": ""}]}', "is not inside the model"),
    ],
)
def test_a_malformed_manifest_is_told(model, content, problem):
    (model / AUGMENTERS_FILE).write_text(content)
    with pytest.raises(ModelError, match=problem):
        read_augmenters(model)


def test_the_last_augmenter_of_a_kind_counts_and_there_is_one_default_a_domain():
    both = entry(general="v1", law="v2")
    manifest = AugmenterManifest().with_augmenter(both).with_augmenter(replace(entry(law="v2"), sha256="b"))
    assert manifest.of("general", "v1")[Augmentation.PROBES].sha256 == ""
    assert manifest.of("law", "v2")[Augmentation.PROBES].sha256 == "b"
    tower = replace(entry(Augmentation.TOWER, law="v2"), sha256="c")
    found = manifest.with_augmenter(tower).of("law", "v2")
    assert {kind: each.default for kind, each in found.items()} == {
        Augmentation.PROBES: False,
        Augmentation.TOWER: True,
    }
    shared = AugmenterManifest().with_augmenter(both).with_augmenter(tower)
    assert shared.of("general", "v1")[Augmentation.PROBES].default
    assert not shared.of("law", "v2")[Augmentation.PROBES].default


def test_augmenters_of_other_vectors_are_out_of_date():
    manifest = AugmenterManifest((entry(general="v1", law="v1"),))
    assert manifest.of("law", "v2") == {}
    assert manifest.outdated({"general": "v1", "law": "v2"}) == ["law"]
    assert manifest.outdated({"general": "v1"}) == ["law"]


def test_several_augmenters_are_kept_in_one_manifest(tmp_path):
    put_augmenter(tmp_path, entry())
    put_augmenter(tmp_path, entry(Augmentation.LEARNED))
    assert [each.kind for each in read_augmenters(tmp_path).augmenters] == [Augmentation.PROBES, Augmentation.LEARNED]
