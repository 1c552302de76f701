"""A cross-encoder of sentence-transformers, from a directory."""

import hashlib
import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch

from attune.embeddings.devices import choose_device
from attune.embeddings.errors import ComputeError, ModelError
from attune.embeddings.weights import model_name, sha256_of

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

_REVISION_DIGITS = 12
_AT_ONCE = 32
MOST_CHARACTERS = 16_384
"""More of a text than any cross-encoder reads."""
_MEND = "give ATTUNE_CROSS_ENCODER_PATH a directory that sentence_transformers.CrossEncoder opens"


class PairScorer:
    """Scores pairs of a query and a text. Blocking; for one thread at a time."""

    def __init__(self, model: "CrossEncoder", model_id: str, device: str) -> None:
        self._model = model
        self.model_id = model_id
        self.device = device

    @classmethod
    def load(cls, path: str, threads: int | None = None, device: str = "auto") -> Self:
        """Open a directory; nothing is fetched. `threads` and `device` are as in `Embedder.load`.

        Raises:
            ModelError: sentence-transformers or the directory is missing, or it holds no cross-encoder with one score.
            SettingError: the device is impossible.
        """
        directory = Path(path)
        if not (directory / "config.json").is_file():
            raise ModelError(f"{directory} has no config.json: {_MEND}")
        place = choose_device(device)
        if threads is not None:
            torch.set_num_threads(threads)
        model = _opened(directory, str(place))
        labels = model.num_labels
        if labels != 1:
            raise ModelError(f"{directory} gives {labels} labels a pair, where a score is needed: {_MEND}")
        scorer = cls(model, f"{model_name(directory)}@{_revision(directory)}", str(place))
        scorer.scores([("a query", "a text")])
        return scorer

    def scores(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """How well each text answers its query; greater is better. Only as much is read as the model takes.

        Raises:
            ComputeError: it computes no finite score.
        """
        found = [float(each) for each in self._model.predict(list(pairs), batch_size=_AT_ONCE, show_progress_bar=False)]
        if not all(math.isfinite(each) for each in found):
            raise ComputeError("the cross-encoder computes no finite score: its weights may be damaged")
        return found


def _opened(directory: Path, device: str) -> "CrossEncoder":
    if find_spec("sentence_transformers") is None:
        raise ModelError("a cross-encoder needs sentence-transformers: run `pip install 'attune[cross-encoder]'`")
    from sentence_transformers import CrossEncoder  # noqa: PLC0415 - takes seconds, and is needed here only

    try:
        model: CrossEncoder = CrossEncoder(str(directory), device=device, local_files_only=True)
    except Exception as error:  # the libraries raise whatever the damage leads to
        raise ModelError(f"{directory} cannot be opened ({_first_line(error)}): {_MEND}") from error
    return model


def _first_line(error: Any) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _revision(directory: Path) -> str:
    """Of all weights, wherever in the directory they are."""
    hashes = [sha256_of(file) for file in sorted(directory.rglob("*.safetensors"))]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[:_REVISION_DIGITS]
