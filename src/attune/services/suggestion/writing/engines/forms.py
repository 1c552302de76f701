"""The ways in which servers take the form that an answer is to have, the strictest first."""

from collections.abc import Callable
from typing import Any

from attune.services.suggestion.writing.engines.port import Ask

Form = Callable[[Ask], dict[str, Any]]
"""The fields of a request that ask for the form."""


def _json_schema(ask: Ask) -> dict[str, Any]:
    """As OpenAI, vLLM, Ollama and llama.cpp take it."""
    described = {"name": "suggestions", "strict": True, "schema": ask.schema}
    return {"response_format": {"type": "json_schema", "json_schema": described}}


def _object_with_schema(ask: Ask) -> dict[str, Any]:
    """As llama-cpp-python takes it."""
    return {"response_format": {"type": "json_object", "schema": ask.schema}}


def _json_object(_ask: Ask) -> dict[str, Any]:
    return {"response_format": {"type": "json_object"}}


def _grammar(ask: Ask) -> dict[str, Any]:
    """Of completions no form is part of the protocol: llama.cpp's servers have `grammar`, vLLM `structured_outputs`."""
    return {"extra_body": {"grammar": ask.grammar, "structured_outputs": {"grammar": ask.grammar}}}


def _free(_ask: Ask) -> dict[str, Any]:
    return {}


CHAT_FORMS: tuple[Form, ...] = (_json_schema, _object_with_schema, _json_object, _free)
COMPLETION_FORMS: tuple[Form, ...] = (_grammar, _free)
