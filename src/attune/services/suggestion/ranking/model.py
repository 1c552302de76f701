"""A learned ranker: one weight for each feature, in a JSON file that anybody can read.

    {"format": 1, "features": {"query_cosine": {"weight", "mean", "scale"}, ...}, "provenance": {...}}

score = sum over features of weight * (value - mean) / scale, where an unknown value counts as the mean.
"""

import json
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from attune.services.runtime.feature_weight import FeatureWeight
from attune.services.suggestion.ranking.errors import RankerError
from attune.services.suggestion.ranking.features import FEATURES

_FORMAT = 1
_TRAIN = "train it anew with `attune train ranker`"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    format: int
    features: dict[str, FeatureWeight]
    provenance: dict[str, Any] = {}


@dataclass(frozen=True)
class RankerModel:
    """Arrays [len(FEATURES)], in the order of FEATURES."""

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    scales: NDArray[np.float64]
    provenance: dict[str, Any] = field(default_factory=dict)

    def scores(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """[n]: of features [n, len(FEATURES)]; higher is better, comparable within one situation."""
        found: NDArray[np.float64] = self.parts(values).sum(1)
        return found

    def parts(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """[n, len(FEATURES)]: what each feature adds to the score."""
        known = np.where(np.isnan(values), self.means, values)
        found: NDArray[np.float64] = (known - self.means) / self.scales * self.weights
        return found

    @property
    def version(self) -> str:
        """Eight hexadecimal digits; another ranker has others."""
        numbers = np.concatenate([self.weights, self.means, self.scales]).astype("<f8").tobytes()
        return blake2b(numbers + ",".join(FEATURES).encode(), digest_size=4).hexdigest()

    def save(self, path: Path) -> None:
        """Write the file. Raises RankerError where it cannot be written."""
        columns = zip(FEATURES, self.weights, self.means, self.scales, strict=True)
        features = {
            name: {"weight": float(weight), "mean": float(mean), "scale": float(scale)}
            for name, weight, mean, scale in columns
        }
        made = {"format": _FORMAT, "features": features, "provenance": self.provenance}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise RankerError(f"{path} cannot be written ({error.strerror}): give another file") from None

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read the file; without one, the ranker of this package.

        Raises:
            RankerError: it cannot be read, or was made for other features than these.
        """
        if path is None:
            packaged = files("attune.services.suggestion.ranking").joinpath("default_ranker.json")
            return cls._parsed(packaged.read_text(encoding="utf-8"), "default_ranker.json")
        try:
            return cls._parsed(path.read_text(encoding="utf-8"), str(path))
        except OSError as error:
            raise RankerError(
                f"{path} cannot be read ({error.strerror}): name a file of `attune train ranker`"
            ) from None
        except UnicodeDecodeError:
            raise RankerError(f"{path} is no ranker, as it is not UTF-8: {_TRAIN}") from None

    @classmethod
    def _parsed(cls, content: str, name: str) -> Self:
        try:
            found = _File.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise RankerError(f"{name}, field {place}: {first['msg']}; {_TRAIN}") from None
        if found.format != _FORMAT:
            raise RankerError(f"{name}, field format: is {found.format}, and this version reads {_FORMAT}; {_TRAIN}")
        _same_features(found, name)
        ordered = [found.features[feature] for feature in FEATURES]
        weights, means, scales = (
            np.array([getattr(each, part) for each in ordered], np.float64) for part in ("weight", "mean", "scale")
        )
        return cls(weights, means, scales, found.provenance)


def _same_features(found: _File, name: str) -> None:
    missing = [feature for feature in FEATURES if feature not in found.features]
    unknown = sorted(found.features.keys() - set(FEATURES))
    if missing or unknown:
        told = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has unknown {', '.join(unknown)}"] * bool(unknown)
        raise RankerError(f"{name}, field features: {' and '.join(told)}; {_TRAIN}")
