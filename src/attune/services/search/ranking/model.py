"""A learned ranker of search: one weight for each feature, in a JSON file that anybody can read.

    {"format": 1, "for": "search", "features": {"plain": {"weight", "mean", "scale"}, ...}, "provenance": {...}}

score = sum over features of weight * (value - mean) / scale, where an unknown value counts as the mean.
"""

import json
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from attune.services.runtime.feature_weight import FeatureWeight
from attune.services.search.ranking.errors import RankerError
from attune.services.search.ranking.features import IS_PERSONAL, NAMES, Values

_FORMAT = 1
_TRAIN = "train it anew with `attune train ranker --for search`"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    format: int
    purpose: Literal["search"] = Field(alias="for")
    features: dict[str, FeatureWeight]
    provenance: dict[str, Any] = {}


@dataclass(frozen=True)
class SearchRanker:
    """Arrays [len(FEATURES)], in the order of FEATURES."""

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    scales: NDArray[np.float64]
    provenance: dict[str, Any] = field(default_factory=dict)

    def parts(self, values: Values) -> NDArray[np.float64]:
        """[n, len(FEATURES)]: what each feature adds to the score. Personal ones that are 0 add nothing, so that who is
        not known gets what the others say.
        """
        known = np.where(np.isnan(values), self.means, values)
        centres = np.where(IS_PERSONAL, 0.0, self.means)
        found: NDArray[np.float64] = (known - centres) / self.scales * self.weights
        return found

    def scores(self, values: Values) -> NDArray[np.float64]:
        """[n]; higher is better, comparable within one search."""
        found: NDArray[np.float64] = self.parts(values).sum(1)
        return found

    @property
    def version(self) -> str:
        """Eight hexadecimal digits; another ranker has others."""
        numbers = np.concatenate([self.weights, self.means, self.scales]).astype("<f8").tobytes()
        return blake2b(numbers + ",".join(NAMES).encode(), digest_size=4).hexdigest()

    def save(self, path: Path) -> None:
        """Write the file. Raises RankerError where it cannot be written."""
        columns = zip(NAMES, self.weights, self.means, self.scales, strict=True)
        features = {
            name: {"weight": float(weight), "mean": float(mean), "scale": float(scale)}
            for name, weight, mean, scale in columns
        }
        made = {"format": _FORMAT, "for": "search", "features": features, "provenance": self.provenance}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise RankerError(f"{path} cannot be written ({error.strerror}): give another file") from None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file.

        Raises:
            RankerError: it cannot be read, or was made for other features than these.
        """
        try:
            content = path.read_text(encoding="utf-8")
        except OSError as error:
            mend = "name a file of `attune train ranker --for search`"
            raise RankerError(f"{path} cannot be read ({error.strerror}): {mend}") from None
        except UnicodeDecodeError:
            raise RankerError(f"{path} is no ranker, as it is not UTF-8: {_TRAIN}") from None
        try:
            found = _File.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise RankerError(f"{path}, field {place}: {first['msg']}; {_TRAIN}") from None
        if found.format != _FORMAT:
            raise RankerError(f"{path}, field format: is {found.format}, and this version reads {_FORMAT}; {_TRAIN}")
        _require_features(found, path)
        weights, means, scales = (
            np.array([getattr(found.features[name], part) for name in NAMES], np.float64)
            for part in ("weight", "mean", "scale")
        )
        return cls(weights, means, scales, found.provenance)


def _require_features(found: _File, path: Path) -> None:
    missing = [name for name in NAMES if name not in found.features]
    unknown = sorted(found.features.keys() - set(NAMES))
    if missing or unknown:
        told = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has unknown {', '.join(unknown)}"] * bool(unknown)
        raise RankerError(f"{path}, field features: {' and '.join(told)}; {_TRAIN}")
