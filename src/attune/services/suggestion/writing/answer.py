"""The form of a model's answer, and its suggestions one by one while it is still being written.

    {"suggestions": [{"query": "...", "rationale": "...", "entities": ["..."]}, ...]}     in a chat
    {"suggestions": ["...", ...]}                                                         by a base model, from examples

Nothing but white space or a Markdown fence may stand before it. A suggestion counts once its JSON is whole, so that the
same suggestions come of an answer however it is cut into pieces.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MOST_QUERY = 200
OPENING = '{"suggestions": ["'
"""How an answer begins, for prompts that begin it already; with the quote, since tokens hold both."""

_OPENING = re.compile(r'\s*(?:```(?:json)?\s*)?\{\s*"suggestions"\s*:\s*\[')
_MOST_OPENING = 1000
_MOST_ITEM = 4000
_CLOSED = '{["'
"""What begins so says itself where it ends."""
_BEHIND_OTHERS = frozenset(" \t\r\n,]")
"""A number has ended where one of these follows: the next piece cannot make 1.5e+16 of 1.5."""
_DECODER = json.JSONDecoder()


class Suggested(BaseModel):
    """A suggestion as the model is to write it."""

    model_config = ConfigDict(strict=True)

    query: str = Field(min_length=1, max_length=MOST_QUERY)
    rationale: str = Field("", max_length=1000)
    entities: list[str] = Field(default_factory=list, max_length=20)


def schema(limit: int) -> dict[str, Any]:
    """JSON schema of the answer, in the part of the language that servers hold models to: no lengths of texts."""
    suggestion = {
        "type": "object",
        "properties": {
            "query": {"type": "string"},
            "rationale": {"type": "string"},
            "entities": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["query", "rationale", "entities"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"suggestions": {"type": "array", "items": suggestion, "maxItems": limit}},
        "required": ["suggestions"],
        "additionalProperties": False,
    }


def grammar(limit: int) -> str:
    """What follows OPENING, as a grammar in GBNF: exactly `limit` queries. A base model knows no end."""
    items = ' "\\", \\"" '.join(["query"] * limit)
    return "\n".join(
        (
            f'root ::= {items} "\\"]}}"',
            r"query ::= char{3,80}",
            r'char ::= [^"\\\x00-\x1f\x7f]',
        )
    )


class Unfolding:
    """Reads an answer as it comes."""

    def __init__(self) -> None:
        self._text = ""
        self._is_open = False
        self._expects_item = True
        self.is_whole = False
        """Whether the list of suggestions has ended."""
        self.problem = ""
        """Why the answer has not the form that was asked for; nothing more is read of it then."""

    def feed(self, piece: str) -> Iterator[object]:
        """The suggestions that this piece completes, decoded but not checked."""
        self._text += piece
        while not (self.is_whole or self.problem):
            if not self._is_open and not self._opens():
                return
            if (item := self._next()) is _NOTHING_YET:
                return
            if item is not _SEPARATOR:
                yield item

    def end(self) -> None:
        """There are no more pieces."""
        if not (self.is_whole or self.problem):
            self.problem = "it is cut off" if self._is_open else 'it does not begin with {"suggestions": ['

    def _opens(self) -> bool:
        if found := _OPENING.match(self._text[:_MOST_OPENING]):
            self._text = self._text[found.end() :]
            self._is_open = True
        elif len(self._text) >= _MOST_OPENING:
            self.problem = 'it does not begin with {"suggestions": ['
        return self._is_open

    def _next(self) -> object:
        rest = self._text.lstrip()
        if not rest:
            return _NOTHING_YET
        if rest[0] == "]":
            self.is_whole = True
            return _SEPARATOR
        if not self._expects_item:
            return self._comma(rest)
        return self._item(rest)

    def _comma(self, rest: str) -> object:
        if rest[0] == ",":
            self._text = rest[1:]
            self._expects_item = True
        else:
            self.problem = "its suggestions are not separated by commas"
        return _SEPARATOR

    def _item(self, rest: str) -> object:
        try:
            item, end = _DECODER.raw_decode(rest[:_MOST_ITEM])
        except RecursionError:
            self.problem = "a suggestion of it is nested too deeply"
            return _SEPARATOR
        except json.JSONDecodeError:
            if len(rest) >= _MOST_ITEM:
                self.problem = "a suggestion of it is no JSON, or too long"
                return _SEPARATOR
            return _NOTHING_YET
        if rest[0] not in _CLOSED and rest[end : end + 1] not in _BEHIND_OTHERS:
            return _NOTHING_YET
        self._text = rest[end:]
        self._expects_item = False
        return item


_NOTHING_YET = object()
_SEPARATOR = object()
