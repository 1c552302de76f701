"""Model directories: made from a backbone's, so that sentence-transformers opens them with their experts."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from attune.embeddings.errors import ModelError
from attune.embeddings.jsonfile import read_json
from attune.embeddings.mixture.manifest import MANIFEST_FILE, read_manifest, write_durably, write_manifest
from attune.embeddings.weights import model_name

EXPERT_MODULE = "attune.embeddings.mixture.sentence_transformer.ExpertTransformer"
HEADS_MODULE = "attune.embeddings.mixture.sentence_transformer.ExpertHeads"
_MODULES_FILE = "modules.json"


def make_model_directory(backbone: Path, target: Path) -> None:
    """Copy a backbone's directory to `target`, where experts can be added. It appears there whole, or not at all.

    Raises `ModelError` if there is something else at `target`.
    """

    def add_manifest(directory: Path) -> None:
        open_with_experts(directory)
        if not (directory / MANIFEST_FILE).is_file():
            write_manifest(directory, read_manifest(directory, model_name(backbone)))

    copy_model(backbone, target, add_manifest)


def copy_model(source: Path, target: Path, change: Callable[[Path], None]) -> None:
    """Copy a model directory, changed before it appears at `target`. Raises `ModelError` if something else is there."""
    if target.exists() and any(target.iterdir()):
        raise ModelError(f"{target} exists, and is no model directory: give another place, or an empty one")
    waiting = target.with_name(f".{target.name}.making")
    shutil.rmtree(waiting, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, waiting, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    change(waiting)
    if target.exists():
        target.rmdir()
    waiting.rename(target)


def open_with_experts(directory: Path) -> None:
    """Let sentence-transformers open the directory with our module in place of its first one, and one at its end."""
    modules = read_json(directory / _MODULES_FILE)
    own = [{**modules[0], "type": EXPERT_MODULE}, *(each for each in modules[1:] if each["type"] != HEADS_MODULE)]
    own.append({"idx": len(own), "name": str(len(own)), "path": "", "type": HEADS_MODULE})
    if own != modules:
        write_durably(directory / _MODULES_FILE, json.dumps(own, indent=2).encode())
