"""What training needs beside what serving does."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from attune.embeddings.errors import SettingError

_NEEDED = ("accelerate", "bm25s", "datasets", "matplotlib", "sentence_transformers", "torch")


@contextmanager
def training_installed() -> Iterator[None]:
    """Raises `SettingError` where the extra `train` is missing."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise SettingError(f"training needs {', '.join(missing)}: run `pip install 'attune[train]'`")
    yield
