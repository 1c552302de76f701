"""What many use at once and one may take away: a lock that is shared or exclusive, a thing that closes after use."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedLock:
    """Many hold it shared, or one exclusively. Who waits for it exclusively comes before who shares it later.

    A thread that holds it must not ask for it again.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._shared = 0
        self._exclusive = 0
        """One that has it or waits for it counts."""

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._exclusive)
            self._shared += 1
        try:
            yield
        finally:
            with self._changed:
                self._shared -= 1
                self._changed.notify_all()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        with self._one_at_a_time():
            try:
                yield
            finally:
                with self._changed:
                    self._exclusive -= 1
                    self._changed.notify_all()

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._exclusive)
            self._exclusive += 1
            self._changed.wait_for(lambda: not self._shared)
        yield


class Lent(Generic[T]):
    """A thing that is closed when it was given up and nobody uses it any more."""

    def __init__(self, thing: T, close: Callable[[T], None]) -> None:
        self._thing = thing
        self._close = close
        self._lock = threading.Lock()
        self._users = 0
        self._given_up = False

    @contextmanager
    def use(self) -> Iterator[T | None]:
        """The thing, open until the end of the block; None where it was given up before."""
        with self._lock:
            usable = not self._given_up
            self._users += usable
        try:
            yield self._thing if usable else None
        finally:
            if usable:
                self._leave()

    def give_up(self) -> None:
        """Close it, now or when the last user leaves."""
        with self._lock:
            is_last = not self._given_up and not self._users
            self._given_up = True
        if is_last:
            self._close(self._thing)

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            is_last = self._given_up and not self._users
        if is_last:
            self._close(self._thing)
