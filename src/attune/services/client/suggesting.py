"""Suggestions that come one by one."""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Protocol, Self

from attune.suggestion.v1 import suggestion_pb2 as suggestion


class _Call(Protocol):
    def __iter__(self) -> Iterator[suggestion.StreamSuggestQueriesResponse]: ...

    def cancel(self) -> bool: ...


class SuggestionStream(Iterable[suggestion.Suggestion]):
    """Suggestions, each as soon as the service knows it. Close it, or use it in a `with` statement, where it may not be
    read to its end: the language model is stopped then.
    """

    def __init__(self, call: _Call) -> None:
        self._call = call
        self._summary: suggestion.SuggestQueriesResponse | None = None

    def __iter__(self) -> Iterator[suggestion.Suggestion]:
        """The suggestions that are left, the best first."""
        for each in self._call:
            if each.HasField("summary"):
                self._summary = each.summary
            else:
                yield each.suggestion

    @property
    def summary(self) -> suggestion.SuggestQueriesResponse:
        """Everything else that SuggestQueries answers: who wrote, why the model did not, usage, notices, the list's id.

        Raises:
            ValueError: the suggestions were not read to their end, where the service tells it.
        """
        if self._summary is None:
            raise ValueError("the summary comes after the last suggestion: read all of them first")
        return self._summary

    def close(self) -> None:
        """Want no more of them."""
        self._call.cancel()

    def __enter__(self) -> Self:
        """Nothing to do: the service is at work already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()
