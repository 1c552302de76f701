"""What a language model is asked, whatever it runs in."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from attune.services.suggestion.writing.model import Account


@dataclass(frozen=True, slots=True)
class Message:
    """A turn of the conversation with the model."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A question. A model that is not asked in a chat goes on with the text of the only message."""

    messages: Sequence[Message]
    schema: dict[str, Any]
    """JSON schema of the answer, for engines that can hold a model to one."""
    grammar: str
    """The same as a grammar in GBNF, of what is to follow where the message begins the answer already."""
    most_tokens: int
    timeout_s: float
    is_streamed: bool


class Engine(Protocol):
    """Asks a language model."""

    def ask(self, ask: Ask, account: Account) -> AsyncGenerator[str, None]:
        """The answer, piece by piece; what it used is added to the account, and how often it asked beyond once.

        Raises:
            LlmError: there is none, or no more of it.
        """
        ...

    async def close(self) -> None:
        """Release the connections, or the model."""
        ...
