import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.embeddings.mixture.material import add_expert, copied, ffn_tensors

from attune.embeddings.domains import ExpertKind
from attune.embeddings.errors import ModelError, SettingError
from attune.embeddings.mixture.manifest import ExpertEntry, Manifest, put_expert, read_manifest, write_manifest

EMPTY = Manifest("tiny", "0" * 64)
LAW = ExpertEntry("law", "Statutes", ExpertKind.FFN, "experts/law.safetensors", "1" * 64)


@pytest.fixture
def model(shared_tiny_model, tmp_path) -> Path:
    return copied(shared_tiny_model, tmp_path / "model")


def edit(model: Path, **changes: object) -> None:
    file = model / "experts.json"
    content = json.loads(file.read_text())
    content["experts"][0] |= changes
    file.write_text(json.dumps(content))


def test_a_directory_without_a_manifest_has_no_experts(model):
    assert read_manifest(model, "tiny").experts == ()


def test_what_was_written_is_read(model):
    manifest = replace(read_manifest(model, "tiny"), experts=(replace(LAW, training={"seed": 1}, metrics={"f1": 0.9}),))
    write_manifest(model, manifest)
    assert read_manifest(model, "other") == manifest


def test_an_expert_takes_the_place_of_the_one_for_its_domain():
    again = replace(LAW, sha256="2" * 64)
    both = EMPTY.with_expert(LAW).with_expert(replace(LAW, id="bio")).with_expert(again)
    assert [(each.id, each.sha256[0]) for each in both.experts] == [("bio", "1"), ("law", "2")]
    assert both.find("law") == again
    assert both.without("law").find("law") is None


def test_trainings_that_end_together_all_keep_their_experts(model):
    names = [f"domain-{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: put_expert(model, replace(LAW, id=name), "tiny"), names))
    assert sorted(each.id for each in read_manifest(model, "tiny").experts) == sorted(names)


def test_a_domain_without_an_expert_cannot_be_removed():
    with pytest.raises(SettingError, match="domain 'bio' has no expert here: it has law"):
        EMPTY.with_expert(LAW).without("bio")


@pytest.mark.parametrize("name", ["general", "Law", "", "a/b"])
def test_a_domain_that_cannot_be_one_is_refused(name):
    with pytest.raises(SettingError, match="domain"):
        EMPTY.with_expert(replace(LAW, id=name))


def test_versions_follow_the_weights_that_make_the_vectors():
    assert LAW.version("a") == replace(LAW, description="Other words").version("a")
    assert len({LAW.version("a"), LAW.version("b"), replace(LAW, sha256="2" * 64).version("a")}) == 3
    general = ExpertEntry("news", "", ExpertKind.GENERAL)
    assert general.version("abcdef0123456789") == "abcdef012345"


def test_experts_of_another_backbone_are_refused(model, write_model, tmp_path):
    add_expert(model, "law", ffn_tensors(model, 1))
    (model / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match=r"the experts belong to weights with sha256 .*, this directory's have"):
        read_manifest(model, "tiny")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "gate"}, r"experts\[0\].kind is 'gate': use one of general, ffn, axes, lora"),
        ({"domain": "Law!"}, r"experts\[0\].domain id 'Law!' is malformed"),
        ({"domain": 3}, r"experts\[0\].domain is 3, expected a text"),
        ({"file": "../law.safetensors"}, r"experts\[0\].file '../law.safetensors' is not inside the model"),
        ({"file": None}, r"experts\[0\].file is None, expected a text"),
    ],
)
def test_a_damaged_manifest_is_refused_by_field(model, changes, message):
    add_expert(model, "law", ffn_tensors(model, 1))
    edit(model, **changes)
    with pytest.raises(ModelError, match=message):
        read_manifest(model, "tiny")


def test_two_experts_for_a_domain_are_refused(model):
    add_expert(model, "law", ffn_tensors(model, 1))
    add_expert(model, "bio", ffn_tensors(model, 2))
    edit(model, domain="bio")
    with pytest.raises(ModelError, match="domain 'bio' has two experts: remove one"):
        read_manifest(model, "tiny")


def test_a_manifest_of_a_later_format_is_refused(model):
    (model / "experts.json").write_text(json.dumps({"format": 2}))
    with pytest.raises(ModelError, match="format 2 is not supported"):
        read_manifest(model, "tiny")
