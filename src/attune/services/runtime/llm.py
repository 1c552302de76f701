"""What every caller of a language model behind OpenAI's protocol has in common: how it fails, and what it said."""

from collections.abc import Iterator
from contextlib import contextmanager

import openai
from openai.types.chat import ChatCompletion


class LlmError(Exception):
    """The language model did not answer usefully; the message says why, without any of its text."""


@contextmanager
def told_as_llm_errors(timeout_s: float) -> Iterator[None]:
    """Turns what the client of the protocol raises into LlmError; `timeout_s` is what the call was given."""
    try:
        yield
    except openai.APITimeoutError as error:
        raise LlmError(f"the language model did not answer within {timeout_s:.1f} s") from error
    except openai.APIStatusError as error:
        raise LlmError(f"the language model's server answered with HTTP status {error.status_code}") from error
    except openai.APIConnectionError as error:
        raise LlmError("the language model's server cannot be reached") from error
    except (openai.OpenAIError, ValueError) as error:
        raise LlmError("the language model's server answered with something that is not its protocol") from error


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
