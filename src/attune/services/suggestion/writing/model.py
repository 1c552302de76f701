"""What a writer is asked, what it gives, and what that cost."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Protocol

from attune.services.suggestion.known import Situation


@dataclass(frozen=True, slots=True)
class Written:
    """A suggestion that a language model wrote, after all checks."""

    text: str
    rationale: str
    entity_ids: tuple[str, ...] = ()
    """The entities that it draws on, of those that the model was told of."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be written, and by when."""

    situation: Situation
    limit: int
    timeout_s: float
    is_streamed: bool = False
    """Whether each suggestion is wanted as soon as it is there."""
    allows: Callable[[str], bool] = lambda _text: True
    """Whether this user may be shown a text."""


@dataclass(slots=True)
class Account:
    """What writing has used until now. Filled on the way, so that it holds too where the model breaks off."""

    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    attempts: int = 0
    is_repaired: bool = False
    cost: float | None = None


class Writer(Protocol):
    """Writes suggestions."""

    def write(self, task: Task, account: Account) -> AsyncGenerator[Written, None]:
        """At most `task.limit` suggestions; streamed, each as soon as it is whole.

        Raises:
            LlmError: no useful answer in time, or none any more: what was given before it stays good.
        """
        ...

    async def close(self) -> None:
        """Release the connections, or the model."""
        ...
