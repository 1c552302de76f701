"""The JSON files of a model directory, read with errors that name the file and the field."""

import json
from pathlib import Path
from typing import Any

from attune.embeddings.errors import ModelError


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object in the file. Raises `ModelError` when it is absent, not JSON, or not an object."""
    content = read_json(file)
    if not isinstance(content, dict):
        raise ModelError(
            f"{file} holds a {type(content).__name__}, expected a JSON object: restore the model's own file"
        )
    return content


def read_optional_object(file: Path) -> dict[str, Any]:
    """Like `read_object`, but an absent file reads as an empty object."""
    return read_object(file) if file.is_file() else {}


def read_json(file: Path) -> Any:
    """The JSON value in the file. Raises `ModelError` when it is absent or not JSON."""
    try:
        return json.loads(file.read_bytes())
    except FileNotFoundError:
        raise ModelError(f"{file} is missing: copy the complete sentence-transformers model") from None
    except ValueError as error:
        raise ModelError(f"{file} is not valid JSON ({error}): restore the model's own file") from error


def positive_int(content: dict[str, Any], field: str, file: Path) -> int:
    """The field's value, which must be a positive whole number. Raises `ModelError`."""
    value = content.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ModelError(
            f"{file}: {field} is {value!r}, expected a positive whole number: restore the model's own file"
        )
    return value
