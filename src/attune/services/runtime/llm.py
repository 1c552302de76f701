"""What every caller of a language model has in common: how it fails.

Without the client of any protocol: that of OpenAI's takes a second to import.
"""

from enum import StrEnum

_MAY_PASS = frozenset({429, 500, 502, 503, 504, 529})


class LlmFailure(StrEnum):
    """The ways in which a language model fails its caller; few, since metrics are counted by them."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    STATUS = "status"
    PROTOCOL = "protocol"
    BROKEN_OFF = "broken_off"
    BREAKER_OPEN = "breaker_open"
    BUSY = "busy"
    NO_TIME = "no_time"
    FORM = "form"
    REFUSED = "refused"


class LlmError(Exception):
    """The language model did not answer usefully; the message says why, without any of its text."""

    def __init__(
        self,
        message: str,
        failure: LlmFailure = LlmFailure.FORM,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.failure = failure
        self.status = status
        """The HTTP status, where there was one."""
        self.retry_after_s = retry_after_s
        """How long the server asks to be left alone, in seconds."""

    @property
    def may_pass(self) -> bool:
        """Whether the same question may be answered a moment later."""
        return self.failure is LlmFailure.UNREACHABLE or self.status in _MAY_PASS


def timed_out(timeout_s: float) -> LlmError:
    """The error of a model that took too long."""
    return LlmError(f"the language model did not answer within {timeout_s:.1f} s", LlmFailure.TIMEOUT)
