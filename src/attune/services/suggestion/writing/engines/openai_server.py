"""A language model behind any server that speaks OpenAI's protocol: chats, or completions of a text."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import openai

from attune.services.runtime.llm import LlmError, LlmFailure
from attune.services.runtime.llm_client import told_as_llm_errors
from attune.services.suggestion.writing.engines.forms import CHAT_FORMS, COMPLETION_FORMS, Form
from attune.services.suggestion.writing.engines.port import Ask
from attune.services.suggestion.writing.model import Account
from attune.services.suggestion.writing.template import PromptStyle

_TEMPERATURE = 0.2
_MOST_BYTES = 1 << 20
"""A longer answer is none: it is not read to its end."""
_TOO_LONG = "the language model's server answered with more than a megabyte"
_LONGEST_NAME = 256
"""Of a model: what a server says comes back to our caller."""
_REFUSED = (400, 422)


class OpenAiServer:
    """One model of one server.

    Servers differ in how an answer can be held to a form. The strictest way is tried first; where the server refuses it
    (HTTP 400 or 422), the next one, which is remembered once it worked.
    """

    def __init__(self, base_url: str, model: str, api_key: str, style: PromptStyle = PromptStyle.CHAT) -> None:
        # Retries are the writer's: it knows the deadline, and has a budget for them.
        self._client = openai.AsyncOpenAI(base_url=base_url, api_key=api_key, max_retries=0)
        self._model = model
        self._is_chat = style is PromptStyle.CHAT
        self._forms: Sequence[Form] = CHAT_FORMS if self._is_chat else COMPLETION_FORMS
        self._first_form = 0

    async def ask(self, ask: Ask, account: Account) -> AsyncGenerator[str, None]:
        """Ask, in the strictest form that the server takes."""
        refused: LlmError | None = None
        first = self._first_form
        for place in range(first, len(self._forms)):
            account.attempts += place > first  # the first of them the writer has counted
            fields = self._fields(ask, self._forms[place])
            try:
                async with aclosing(self._answer(fields, ask, account)) as pieces:
                    async for piece in pieces:
                        self._first_form = max(self._first_form, place)
                        yield piece
            except LlmError as error:
                if not _is_of_form(error.__cause__):
                    raise
                refused = refused or error
            else:
                return
        if refused is not None:
            raise refused

    async def close(self) -> None:
        """Close the HTTP connections."""
        await self._client.close()

    def _fields(self, ask: Ask, form: Form) -> dict[str, Any]:
        fields = {
            "model": self._model,
            "temperature": _TEMPERATURE,
            "max_tokens": ask.most_tokens,
            "timeout": ask.timeout_s,
            **form(ask),
        }
        if self._is_chat:
            fields["messages"] = [{"role": each.role, "content": each.content} for each in ask.messages]
        else:
            fields["prompt"] = ask.messages[0].content
        return fields

    async def _answer(self, fields: dict[str, Any], ask: Ask, account: Account) -> AsyncGenerator[str, None]:
        with told_as_llm_errors(ask.timeout_s):
            answer = self._streamed(fields, account) if ask.is_streamed else self._whole(fields, account)
            async with aclosing(answer):
                async for piece in answer:
                    yield piece

    async def _whole(self, fields: dict[str, Any], account: Account) -> AsyncGenerator[str, None]:
        body = bytearray()
        async with self._endpoint.with_streaming_response.create(**fields) as response:
            async for part in response.iter_bytes():
                body += part
                if len(body) > _MOST_BYTES:
                    raise LlmError(_TOO_LONG, LlmFailure.PROTOCOL)
        answer = json.loads(body)
        _count(answer, self._model, account)
        text = _content(answer, "message")
        if not text.strip():
            raise LlmError("the language model answered with nothing")
        yield text

    async def _streamed(self, fields: dict[str, Any], account: Account) -> AsyncGenerator[str, None]:
        before, pieces, read, has_ended = account.completion_tokens, 0, 0, False
        chunks = await self._endpoint.create(**fields, stream=True, stream_options={"include_usage": True})
        try:
            # Read by a generator of ours that is closed here: the stream and its own one hold each other, and what is
            # left of an answer would be closed by the garbage collector, in whatever thread that happens to run.
            async with chunks, aclosing(chunks.__stream__()) as read_on:
                async for chunk in read_on:
                    _count(chunk, self._model, account)
                    has_ended = has_ended or _is_end(chunk)
                    piece = _content(chunk, "delta")
                    pieces += bool(piece)
                    read += len(piece)
                    if read > _MOST_BYTES:
                        raise LlmError(_TOO_LONG, LlmFailure.PROTOCOL)
                    if piece:
                        yield piece
        finally:
            if account.completion_tokens == before:
                account.completion_tokens += pieces  # a server that does not say sends about a token at a time
        if not has_ended:  # a proxy that gives up closes the connection as if all had been said
            raise LlmError("the language model's server ended its answer in the middle", LlmFailure.BROKEN_OFF)
        if not read:
            raise LlmError("the language model answered with nothing")

    @property
    def _endpoint(self) -> Any:
        return self._client.chat.completions if self._is_chat else self._client.completions


def _is_of_form(error: BaseException | None) -> bool:
    """Whether a server refused a request for its form; llama-cpp-python does with status 500, and names the field."""
    if not isinstance(error, openai.APIStatusError):
        return False
    return error.status_code in _REFUSED or "response_format" in str(error.body)


def _content(answer: Any, part: str) -> str:
    """What the model wrote; nothing where the answer has another shape, which the client does not check."""
    choices = _field(answer, "choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    said = _field(choice, part)
    text = _field(choice, "text") if said is None else _field(said, "content")
    return text if isinstance(text, str) else ""


def _is_end(chunk: Any) -> bool:
    """Whether a chunk of a stream says that the model has ended: why, or behind it what was used. The client keeps the
    [DONE] after them to itself.
    """
    choices = _field(chunk, "choices")
    if not choices:
        return _field(chunk, "usage") is not None
    return isinstance(choices, list) and bool(_field(choices[0], "finish_reason"))


def _count(answer: Any, model: str, account: Account) -> None:
    """Adds what the server says that the answer used, where it says it in numbers."""
    named, usage = _field(answer, "model"), _field(answer, "usage")
    account.model = named[:_LONGEST_NAME] if isinstance(named, str) and named else model
    if usage is not None:
        account.prompt_tokens += _number(_field(usage, "prompt_tokens"))
        account.completion_tokens += _number(_field(usage, "completion_tokens"))


def _field(value: Any, name: str) -> Any:
    """Of an object, be it decoded JSON or the client's; None where there is none."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 32 else 0
