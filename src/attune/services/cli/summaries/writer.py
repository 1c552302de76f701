"""Summaries by a language model behind any server that speaks OpenAI's protocol; where it fails, by the store."""

import json
from collections.abc import Callable, Iterable
from importlib.resources import files

from openai import OpenAI
from pydantic import BaseModel, ValidationError

from attune.knowledge_store.model import EntityState
from attune.knowledge_store.summarizing import Words, plain, words_from_store
from attune.knowledge_store.summary import Portrait
from attune.services.cli.summaries.fallbacks import Fallbacks
from attune.services.runtime.llm import LlmError
from attune.services.runtime.llm_client import content_of, told_as_llm_errors

GIVE_UP_AFTER = 5
_MOST_WORDS = 120
_MOST_CHARACTERS = 1000
_MOST_TOKENS = 400  # more than _MOST_WORDS take, and little enough to end a model that goes on for ever
Label = Callable[[str], str]


class _Answer(BaseModel):
    summary: str


class ModelWriter:
    """Asks a chat model, checks what it wrote, and falls back on the store's words.

    `fallbacks` hears of each time that it did. After GIVE_UP_AFTER failures in a row the model is asked no more: a
    server that is down would cost its timeout for each of many users.
    """

    def __init__(self, base_url: str, model: str, api_key: str, timeout_s: float, fallbacks: Fallbacks) -> None:
        self._client = OpenAI(base_url=base_url, api_key=api_key, max_retries=0)
        self._model = model
        self._timeout_s = timeout_s
        self._template = _template()
        self._fallbacks = fallbacks
        self._in_a_row = 0

    def __call__(self, portrait: Portrait, label: Label) -> Words:
        """One user's words; see knowledge_store.summarizing.Writer."""
        if self._in_a_row < GIVE_UP_AFTER:
            try:
                text = self._ask(portrait, label)
            except LlmError as error:
                self._in_a_row += 1
                self._fallbacks.reason = str(error)
            else:
                self._in_a_row = 0
                return Words(text, self._model)
        self._fallbacks.count += 1
        return words_from_store(portrait, label)

    def close(self) -> None:
        """Close the HTTP connections."""
        self._client.close()

    def _ask(self, portrait: Portrait, label: Label) -> str:
        with told_as_llm_errors(self._timeout_s):
            completion = self._client.chat.completions.create(
                model=self._model,
                messages=[{"role": "user", "content": build_prompt(self._template, portrait, label)}],
                temperature=0.2,
                max_tokens=_MOST_TOKENS,
                timeout=self._timeout_s,
            )
        return _checked(content_of(completion), {label(entity_id) for entity_id in portrait.entity_ids})


def build_prompt(template: str, portrait: Portrait, label: Label) -> str:
    """The template with the portrait as one line of JSON, so that no label ends its own line."""
    entities = {name: [_entity(state, label) for state in states] for name, states in portrait.parts}
    return template.format(entities=json.dumps(entities, ensure_ascii=False))


def _template() -> str:
    name = "user_summary.v1.txt"
    return files("attune.services.cli.summaries").joinpath("prompts", name).read_text(encoding="utf-8")


def _entity(state: EntityState, label: Label) -> dict[str, str | int]:
    return {"entity": label(state.entity_id), "times": state.count}


def _checked(content: str, labels: Iterable[str]) -> str:
    """What the model wrote, as JSON or as plain text, on one line. Raises LlmError unless it may be a summary."""
    text = plain(_unpacked(content))
    if len(text) > _MOST_CHARACTERS or len(text.split()) > _MOST_WORDS:
        raise LlmError(f"the language model wrote more than {_MOST_WORDS} words")
    if not any(label.casefold() in text.casefold() for label in labels):
        raise LlmError("the language model named none of the user's entities")
    return text


def _unpacked(content: str) -> str:
    fenced = content.strip().removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    if not fenced.startswith(("{", "[")):
        return fenced
    try:
        return _Answer.model_validate_json(fenced).summary
    except ValidationError as error:
        raise LlmError("the language model did not answer with the JSON that it was asked for") from error
