"""The JSON files of a model directory, read with errors that name the file and the field."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attune.embeddings.errors import ModelError

_RESTORE = "restore the model's own file"


@dataclass(frozen=True)
class Fields:
    """The fields of one JSON object, each checked when it is asked for. Every method raises `ModelError`.

    `within` is the object's place in the file, with a dot behind it: empty for the whole file.
    """

    file: Path
    content: dict[str, Any]
    within: str = ""

    def positive_int(self, field: str, default: int | None = None) -> int:
        """A positive whole number; an absent field is `default`, or an error where there is none."""
        value = self.content.get(field, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self._error(field, value, "a positive whole number")
        return value

    def index(self, field: str, default: int) -> int:
        """A whole number from 0 on."""
        value = self.content.get(field, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self._error(field, value, "a whole number from 0 on")
        return value

    def positive_float(self, field: str, default: float) -> float:
        """A positive finite number."""
        value = self.content.get(field, default)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value <= 0:
            raise self._error(field, value, "a positive number")
        return float(value)

    def boolean(self, field: str, *, default: bool) -> bool:
        """A truth value."""
        value = self.content.get(field, default)
        if not isinstance(value, bool):
            raise self._error(field, value, "true or false")
        return value

    def text(self, field: str, default: str | None = None) -> str:
        """A string; an absent field is `default`, or an error where there is none."""
        value = self.content.get(field, default)
        if not isinstance(value, str):
            raise self._error(field, value, "a text")
        return value

    def objects(self, field: str) -> "list[Fields]":
        """The objects of the list in the field; an absent one is empty."""
        value = self.content.get(field) or []
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self._error(field, value, "a list of objects")
        return [Fields(self.file, each, f"{self.within}{field}[{place}].") for place, each in enumerate(value)]

    def nested(self, field: str) -> "Fields":
        """The object in the field; an absent one is empty."""
        value = self.content.get(field) or {}
        if not isinstance(value, dict):
            raise self._error(field, value, "an object")
        return Fields(self.file, value, f"{self.within}{field}.")

    def require(self, field: str, supported: object) -> None:
        """The field must be absent or `supported`."""
        value = self.content.get(field, supported)
        if value != supported:
            place = f"{self.file}: {self.within}{field}"
            raise ModelError(f"{place} {value!r} is not supported: use a model with {supported!r}")

    def _error(self, field: str, value: object, expected: str) -> ModelError:
        return ModelError(f"{self.file}: {self.within}{field} is {value!r}, expected {expected}: {_RESTORE}")


def read_fields(file: Path) -> Fields:
    """The JSON object in the file. Raises `ModelError` when it is absent, not JSON, or not an object."""
    return Fields(file, read_object(file))


def read_optional_fields(file: Path) -> Fields:
    """Like `read_fields`, but an absent file reads as an empty object."""
    return read_fields(file) if file.is_file() else Fields(file, {})


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object in the file. Raises `ModelError` when it is absent, not JSON, or not an object."""
    content = read_json(file)
    if not isinstance(content, dict):
        raise ModelError(f"{file} holds a {type(content).__name__}, expected a JSON object: {_RESTORE}")
    return content


def read_json(file: Path) -> Any:
    """The JSON value in the file. Raises `ModelError` when it is absent or not JSON."""
    try:
        return json.loads(file.read_bytes())
    except FileNotFoundError:
        raise ModelError(f"{file} is missing: copy the complete sentence-transformers model") from None
    except ValueError as error:
        raise ModelError(f"{file} is not valid JSON ({error}): {_RESTORE}") from error
