"""What the language model does, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Enum, Histogram

from attune.services.runtime.llm import LlmError
from attune.services.suggestion.writing.breaker import BreakerState
from attune.services.suggestion.writing.model import Account

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class LlmMetrics:
    """Counts each request for suggestions that the language model was to write."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "attune_llm_seconds", "Time of the language model to an answer.", buckets=_SECONDS, registry=registry
        )
        self._attempts = Counter("attune_llm_attempts", "Questions to the language model.", registry=registry)
        self._repaired = Counter("attune_llm_repaired", "Answers that a second one repaired.", registry=registry)
        self._tokens = Counter("attune_llm_tokens", "Tokens read and written.", ["kind"], registry=registry)
        self._cost = Counter("attune_llm_cost", "What that cost, by the configured prices.", registry=registry)
        self._failures = Counter(
            "attune_llm_failures", "Requests that it did not answer to the end.", ["reason"], registry=registry
        )
        self._breaker = Enum(
            "attune_llm_breaker", "The circuit breaker.", states=[str(each) for each in BreakerState], registry=registry
        )

    def count(self, account: Account, seconds: float) -> None:
        """A request has ended."""
        self._seconds.observe(seconds)
        self._attempts.inc(account.attempts)
        self._repaired.inc(account.is_repaired)
        self._tokens.labels("prompt").inc(account.prompt_tokens)
        self._tokens.labels("completion").inc(account.completion_tokens)
        self._cost.inc(account.cost or 0.0)

    def failed(self, error: LlmError) -> None:
        """A request was not answered, or not to the end."""
        self._failures.labels(str(error.failure)).inc()

    def breaker(self, state: BreakerState) -> None:
        """The circuit breaker has a new state."""
        self._breaker.state(str(state))
