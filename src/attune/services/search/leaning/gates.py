"""The gates in a JSON file that anybody can read.

{"format": 2, "session": {"bias", "threshold", "features": {"terms": {"weight", "mean", "scale"}, ...}},
 "statements": ..., "documents": ..., "provenance": {...}}
"""

import json
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from attune.services.runtime.feature_weight import FeatureWeight
from attune.services.search.leaning.gate import FEATURES, Gate

_FORMAT = 2
_MAKE = "make one with `attune eval personalization --gates FILE`"


class GatesError(ValueError):
    """A file of gates that cannot be used: one sentence with the mend."""


class _Gate(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    bias: float
    threshold: float = Field(ge=0, le=1)
    features: dict[str, FeatureWeight]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    format: int
    session: _Gate
    statements: _Gate
    documents: _Gate
    provenance: dict[str, Any] = {}


@dataclass(frozen=True)
class Gates:
    """What says how far each context counts: the session, what the user said of themselves, what the user has read."""

    session: Gate
    statements: Gate
    documents: Gate
    provenance: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def closed(cls) -> Self:
        """None of them lets anything through."""
        return cls(Gate.closed(), Gate.closed(), Gate.closed())

    @classmethod
    def packaged(cls) -> Self:
        """Those that are part of this package."""
        return cls._read(files(__package__).joinpath("default_gates.json").read_bytes(), "the packaged gates")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Of a file. Raises GatesError."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise GatesError(f"{path} cannot be read ({error.strerror}): {_MAKE}") from None
        return cls._read(content, str(path))

    @classmethod
    def _read(cls, content: bytes, name: str) -> Self:
        try:
            found = _File.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(each) for each in first["loc"]) or "the file"
            raise GatesError(f"{name}: {place}: {first['msg']}: {_MAKE}") from None
        if found.format != _FORMAT:
            raise GatesError(f"{name} has format {found.format}, this version reads {_FORMAT}: {_MAKE}")
        session, statements, documents = (
            _of(each, name) for each in (found.session, found.statements, found.documents)
        )
        return cls(session, statements, documents, found.provenance)

    def save(self, path: Path) -> None:
        """Write the file. Raises GatesError where it cannot be written."""
        made = {
            "format": _FORMAT,
            "session": _told(self.session),
            "statements": _told(self.statements),
            "documents": _told(self.documents),
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(made | {"provenance": self.provenance}, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise GatesError(f"{path} cannot be written ({error.strerror}): give another file") from None


def _of(read: _Gate, name: str) -> Gate:
    if tuple(sorted(read.features)) != tuple(sorted(FEATURES)):
        raise GatesError(f"{name}: its features are not {', '.join(FEATURES)}: {_MAKE}")
    columns = [read.features[each] for each in FEATURES]
    return Gate(
        read.bias,
        np.array([each.weight for each in columns]),
        np.array([each.mean for each in columns]),
        np.array([each.scale for each in columns]),
        read.threshold,
    )


def _told(gate: Gate) -> dict[str, Any]:
    features = {
        name: {"weight": float(weight), "mean": float(mean), "scale": float(scale)}
        for name, weight, mean, scale in zip(FEATURES, gate.weights, gate.means, gate.scales, strict=True)
    }
    return {"bias": gate.bias, "threshold": gate.threshold, "features": features}
