"""Suggestions by a language model behind any server that speaks OpenAI's protocol."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from openai import AsyncOpenAI
from pydantic import BaseModel, Field, ValidationError

from attune.services.runtime.llm import LlmError, content_of, told_as_llm_errors
from attune.services.suggestion.known import Situation, normalised
from attune.services.suggestion.prompt import build_prompt, load_template

_MOST_CHARACTERS = 200
_MOST_TOKENS = 1024
_OTHER_JSON = "the language model did not answer with the JSON that it was asked for"


@dataclass(frozen=True, slots=True)
class Written:
    """A suggestion that the model wrote."""

    text: str
    rationale: str


@dataclass(frozen=True, slots=True)
class LlmAnswer:
    """What the model wrote, and what it used."""

    suggestions: tuple[Written, ...]
    model: str
    prompt_tokens: int
    completion_tokens: int


class Writer(Protocol):
    """Writes suggestions."""

    async def write(self, situation: Situation, limit: int, timeout_s: float) -> LlmAnswer:
        """At most `limit` suggestions.

        Raises:
            LlmError: no useful answer in time.
        """
        ...

    async def close(self) -> None:
        """Release the connections."""
        ...


class _Suggestion(BaseModel):
    query: str = Field(min_length=1, max_length=_MOST_CHARACTERS)
    rationale: str = Field("", max_length=1000)


class _Answer(BaseModel):
    suggestions: list[Any]
    """Each is checked on its own, so that one bad suggestion does not cost the others."""


class OpenAiWriter:
    """Asks a chat model for JSON and takes nothing else for an answer."""

    def __init__(self, base_url: str, model: str, api_key: str) -> None:
        # Retries would spend the caller's deadline: the ranker is the second try.
        self._client = AsyncOpenAI(base_url=base_url, api_key=api_key, max_retries=0)
        self._model = model
        self._template = load_template()

    async def write(self, situation: Situation, limit: int, timeout_s: float) -> LlmAnswer:
        """Ask, parse, and keep what is new."""
        with told_as_llm_errors(timeout_s):
            completion = await self._client.chat.completions.create(
                model=self._model,
                messages=[{"role": "user", "content": build_prompt(self._template, situation, limit)}],
                response_format={"type": "json_object"},
                temperature=0.2,
                max_tokens=_MOST_TOKENS,
                timeout=timeout_s,
            )
        usage = completion.usage
        return LlmAnswer(
            suggestions=_parsed(content_of(completion), situation, limit),
            model=completion.model or self._model,
            prompt_tokens=usage.prompt_tokens if usage else 0,
            completion_tokens=usage.completion_tokens if usage else 0,
        )

    async def close(self) -> None:
        """Close the HTTP connections."""
        await self._client.close()


def _parsed(content: str, situation: Situation, limit: int) -> tuple[Written, ...]:
    try:
        answer = _Answer.model_validate_json(content)
    except ValidationError as error:
        raise LlmError(_OTHER_JSON) from error
    usable = list(_usable(answer.suggestions))
    if not usable:
        raise LlmError(_OTHER_JSON)
    seen = {normalised(text) for text in (situation.query, *situation.previous_queries)}
    kept: list[Written] = []
    for each in usable:
        text = " ".join(each.query.split())
        if normalised(text) and normalised(text) not in seen:
            seen.add(normalised(text))
            kept.append(Written(text, " ".join(each.rationale.split())))
    if not kept:
        raise LlmError("the language model only repeated the session")
    return tuple(kept[:limit])


def _usable(suggestions: Iterable[Any]) -> Iterator[_Suggestion]:
    """Without those that are too long to be a suggestion, or in another form."""
    for each in suggestions:
        with suppress(ValidationError):
            yield _Suggestion.model_validate(each)
