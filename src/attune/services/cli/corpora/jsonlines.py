"""Objects of a JSONL file, plain or gzip, each with the place it came from for error messages."""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attune.services.cli.corpora.model import CorpusError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class JsonLine:
    path: Path
    number: int
    fields: dict[str, Any]

    def error(self, field: str, trouble: str) -> CorpusError:
        return CorpusError(f"{self.path}, line {self.number}, field {field}: {trouble}")

    def text(self, field: str, *, required: bool = False) -> str:
        """A string field; missing and null are empty. Raises CorpusError for another type, or an empty required one."""
        value = self.fields.get(field)
        if value is None and not required:
            return ""
        if not isinstance(value, str):
            found = "missing" if value is None else f"a {type(value).__name__}, not a string"
            raise self.error(field, f"{found}; write it as a JSON string")
        if required and not value.strip():
            raise self.error(field, "empty; give each line a value of its own")
        return value

    def mapping(self, field: str) -> dict[str, Any]:
        """An object; missing and null are empty. Raises CorpusError for another type."""
        value = self.fields.get(field)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.error(field, f"a {type(value).__name__}, not an object; write it as a JSON object")
        return value

    def texts(self, field: str) -> tuple[str, ...]:
        """A list of strings; missing and null are empty. Raises CorpusError for another type."""
        value = self.fields.get(field)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.error(field, "not a list of strings; write it as a JSON array of strings")
        return tuple(value)


def read_json_lines(path: Path) -> Iterator[JsonLine]:
    """One JsonLine for each line that is not blank; CorpusError at the first that is not a JSON object in UTF-8."""
    for number, raw in numbered_lines(path):
        try:
            fields = json.loads(raw)
        except (json.JSONDecodeError, RecursionError) as error:
            raise CorpusError(f"{path}, line {number}: not JSON ({error}); write one JSON object a line") from error
        if not isinstance(fields, dict):
            raise CorpusError(f"{path}, line {number}: a {type(fields).__name__}; write one JSON object a line")
        yield JsonLine(path, number, fields)


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, from 1, decoded; raises CorpusError for unreadable files and invalid UTF-8."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                line = _decoded(path, number, raw.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw)
                if line.strip():
                    yield number, line
    except (OSError, EOFError, zlib.error) as error:
        raise CorpusError(
            f"{path}: cannot be read ({error}); check the path, and unpack the file to test it"
        ) from error


def _decoded(path: Path, number: int, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path}, line {number}: byte {error.start} of the line is not UTF-8; save the file as UTF-8"
        ) from error
