"""A language model behind OpenAI's protocol: how its client fails, and what it said."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime

import openai
from openai.types.chat import ChatCompletion

from attune.services.runtime.clock import system_clock
from attune.services.runtime.llm import LlmError, LlmFailure, timed_out


@contextmanager
def told_as_llm_errors(timeout_s: float) -> Iterator[None]:
    """Turns what the client of the protocol raises into LlmError; `timeout_s` is what the call was given."""
    try:
        yield
    except openai.APITimeoutError as error:
        raise timed_out(timeout_s) from error
    except openai.APIStatusError as error:
        raise LlmError(
            f"the language model's server answered with HTTP status {error.status_code}",
            LlmFailure.STATUS,
            status=error.status_code,
            retry_after_s=_retry_after_s(error.response.headers),
        ) from error
    except openai.APIConnectionError as error:
        raise LlmError("the language model's server cannot be reached", LlmFailure.UNREACHABLE) from error
    except (openai.OpenAIError, ValueError) as error:
        raise LlmError(
            "the language model's server answered with something that is not its protocol", LlmFailure.PROTOCOL
        ) from error


def content_of(completion: ChatCompletion) -> str:
    """What the model wrote. Raises LlmError where that is nothing, or the answer has another shape: the client does not
    check it.
    """
    try:
        content = completion.choices[0].message.content
    except (AttributeError, IndexError, TypeError):
        content = None
    if not isinstance(content, str) or not content.strip():
        raise LlmError("the language model answered with nothing")
    return content


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds, given as such or as a date (RFC 9110, 10.2.3)."""
    given = headers.get("retry-after", "")
    with suppress(ValueError):
        seconds = float(given)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    with suppress(ValueError, TypeError):
        return max(0.0, (parsedate_to_datetime(given) - system_clock()).total_seconds())
    return None
