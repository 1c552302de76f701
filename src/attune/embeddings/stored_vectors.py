"""Vectors that were computed before, in a file, so that a training or a measurement need not compute them again."""

import hashlib
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.errors import ModelError
from attune.embeddings.mixture.manifest import write_durably

_DIGEST_BYTES = 16


class StoredVectors:
    """Vectors [d] by texts and by what made them; without a `file`, in memory only.

    Raises `ModelError` for a file that has none.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._vectors: dict[bytes, NDArray[np.float32]] = {}
        self._unsaved = False
        if file is not None and file.exists():
            self._vectors = _read(file)

    def find(self, maker: str, text: str) -> NDArray[np.float32] | None:
        """The vector that `maker` (a model, its version, and how it was asked) made of the text."""
        return self._vectors.get(_digest(maker, text))

    def keep(self, maker: str, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Remember vectors [n, d] of n texts. Raises `ModelError` for another d than that of those it has."""
        known = next(iter(self._vectors.values()), None)
        if known is not None and len(texts) and known.shape != vectors.shape[1:]:
            raise ModelError(
                f"{self._file} has vectors of {len(known)}, these are of {vectors.shape[1]}: name another file"
            )
        self._vectors |= {_digest(maker, text): vector for text, vector in zip(texts, vectors, strict=True)}
        self._unsaved = self._unsaved or bool(texts)

    def save(self) -> None:
        """Write what is new to the file, at once or not at all."""
        if self._file is None or not self._unsaved:
            return
        content = io.BytesIO()
        keys = np.frombuffer(b"".join(self._vectors), np.uint8).reshape(-1, _DIGEST_BYTES)
        np.savez(content, keys=keys, vectors=np.stack(list(self._vectors.values())))
        write_durably(self._file, content.getvalue())
        self._unsaved = False


def _read(file: Path) -> dict[bytes, NDArray[np.float32]]:
    try:
        with np.load(file, allow_pickle=False) as stored:
            keys, vectors = stored["keys"], stored["vectors"].astype(np.float32)
        return {key.tobytes(): vector for key, vector in zip(keys, vectors, strict=True)}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{file} has no vectors ({error}): name another file, or remove it") from error


def _digest(maker: str, text: str) -> bytes:
    return hashlib.blake2b(f"{maker}\0{text}".encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()
