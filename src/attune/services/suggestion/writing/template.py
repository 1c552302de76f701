"""Prompt templates: files of this package, or one of the user's own, checked when they are read.

A template is filled by `str.format` with names alone: {query}, and {{ for a brace. Values are not filled in again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from string import Formatter

from attune.services.runtime.config import ConfigError

FIELDS = frozenset({"query", "session", "page_title", "page_text", "entities", "summary", "limit"})
_NOT_NEEDED = frozenset({"limit"})
"""Of a prompt of examples, which ends where the answer begins."""
_SETTING = "ATTUNE_SUGGESTION_PROMPT_PATH"


class PromptStyle(StrEnum):
    """How a model is asked: in a chat, or by a text that it goes on with, where it is not tuned for instructions."""

    CHAT = "chat"
    COMPLETION = "completion"


_OURS = {
    PromptStyle.CHAT: "next_queries.v2.txt",
    PromptStyle.COMPLETION: "next_queries.completion.v1.txt",
}


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt with fields to fill in."""

    text: str
    style: PromptStyle

    def filled(self, values: Mapping[str, object]) -> str:
        """The prompt with these values."""
        return self.text.format(**values)


def load_template(style: PromptStyle = PromptStyle.CHAT, path: Path | None = None) -> Template:
    """The template of this package for a style, or that of a file.

    Raises:
        ConfigError: the file cannot be read, or has another field than FIELDS, or lacks one.
    """
    if path is None:
        text = files("attune.services.suggestion.writing").joinpath("prompts", _OURS[style]).read_text(encoding="utf-8")
        return Template(text.rstrip("\n"), style)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{_SETTING}: {path} is no readable text in UTF-8; name a file that is, or none") from error
    _check(text, path, FIELDS - _NOT_NEEDED if style is PromptStyle.COMPLETION else FIELDS)
    return Template(text.rstrip("\n"), style)


def _check(text: str, path: Path, needed: frozenset[str]) -> None:
    try:
        parsed = list(Formatter().parse(text))
    except ValueError as error:
        raise ConfigError(f"{_SETTING}: {path} has a single brace; write {{{{ and }}}} for braces") from error
    named = [name for _, name, spec, conversion in parsed if name is not None and not (spec or conversion)]
    odd = [name for _, name, spec, conversion in parsed if name is not None and (spec or conversion)]
    unknown = [*odd, *(name for name in named if name not in FIELDS)]
    if unknown:
        raise ConfigError(
            f"{_SETTING}: {path} has the unknown field {{{unknown[0]}}}; the fields are {_listed(FIELDS)}, "
            "without formats, and {{ and }} stand for braces"
        )
    missing = needed.difference(named)
    if missing:
        raise ConfigError(f"{_SETTING}: {path} lacks {_listed(missing)}; put each where its value belongs")


def _listed(fields: frozenset[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(fields))
