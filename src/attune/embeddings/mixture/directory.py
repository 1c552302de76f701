"""Model directories: made from a backbone's, so that sentence-transformers opens them with their experts."""

import json
import shutil
from pathlib import Path

from attune.embeddings.errors import ModelError
from attune.embeddings.jsonfile import read_json
from attune.embeddings.mixture.manifest import write_durably

EXPERT_MODULE = "attune.embeddings.mixture.sentence_transformer.ExpertTransformer"
_MODULES_FILE = "modules.json"


def make_model_directory(backbone: Path, target: Path) -> None:
    """Copy a backbone's directory to `target`, where experts can be added. It appears there whole, or not at all.

    Raises `ModelError` if there is something else at `target`.
    """
    if target.exists() and any(target.iterdir()):
        raise ModelError(f"{target} exists, and is no model directory: give another place, or an empty one")
    waiting = target.with_name(f".{target.name}.making")
    shutil.rmtree(waiting, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(backbone, waiting, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    open_with_experts(waiting)
    if target.exists():
        target.rmdir()
    waiting.rename(target)


def open_with_experts(directory: Path) -> None:
    """Let sentence-transformers open the directory with our module in place of its own first one."""
    modules = read_json(directory / _MODULES_FILE)
    if modules[0]["type"] != EXPERT_MODULE:
        modules[0]["type"] = EXPERT_MODULE
        write_durably(directory / _MODULES_FILE, json.dumps(modules, indent=2).encode())
