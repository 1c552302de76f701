"""Retries with a budget: a server in trouble is not asked much more often than it answers (gRFC A6, throttling)."""

import random
from dataclasses import dataclass

from attune.services.runtime.llm import LlmError

_FIRST_PAUSE_S = 0.1
_TIME_TO_ANSWER_S = 0.1
"""With less than that left after the pause, a retry is in vain."""


@dataclass(slots=True)
class RetryBudget:
    """A bucket of tokens: each retry takes one, each answer gives a share of one back."""

    most: float = 10.0
    share: float = 0.1
    tokens: float = 10.0

    def take(self) -> bool:
        """Whether there was one."""
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def answered(self) -> None:
        """The server answered."""
        self.tokens = min(self.most, self.tokens + self.share)


@dataclass(slots=True)
class Retries:
    """At most `most` retries of a question, all questions together within the budget."""

    most: int
    budget: RetryBudget

    def pause_s(self, error: LlmError, made: int, left_s: float) -> float | None:
        """How long to wait before the next try, in seconds; None where there is to be none.

        Args:
            error: why the last one failed.
            made: how many retries there were.
            left_s: seconds until the answer is worth nothing.
        """
        if not error.may_pass or made >= self.most:
            return None
        pause: float = _FIRST_PAUSE_S * 2.0**made * random.uniform(0.5, 1.0)  # noqa: S311 - so that callers do not come at once
        pause = max(pause, error.retry_after_s or 0.0)
        if pause + _TIME_TO_ANSWER_S > left_s or not self.budget.take():
            return None
        return pause
