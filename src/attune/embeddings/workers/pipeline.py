"""What a worker process does: one thread reads and tokenizes while others compute what is ready."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.embedder import Embedder, Prepared
from attune.embeddings.errors import ComputeError, DeadlineExpiredError
from attune.embeddings.items import EmbedItem, ItemError
from attune.embeddings.workers.cores import Cores
from attune.embeddings.workers.messages import Computed, End, Outcome, Text

_log = logging.getLogger(__name__)
_NOT_FINITE = "the model computes no finite vector of the text: its weights may be damaged"


@dataclass(frozen=True, slots=True)
class _Entry:
    """A text that is ready to be computed, or to be told why it cannot be."""

    text: Text
    prepared: Prepared | ItemError | DeadlineExpiredError
    tokenize_ms: float

    @property
    def tokens(self) -> int:
        return self.prepared.token_count if isinstance(self.prepared, Prepared) else 0


class Pipeline:
    """Texts in, outcomes out, by as many computing threads as there are cores to keep busy; any of them may deliver.

    A batch is what is ready, up to `batch_tokens` tokens; threads that are free share it, as `cores` says.
    """

    def __init__(
        self,
        embedder: Embedder,
        cores: Cores,
        batch_tokens: int,
        clock: Callable[[], float],
        deliver: Callable[[Outcome], None],
    ) -> None:
        self._embedder = embedder
        self._cores = cores
        self._batch_tokens = batch_tokens
        self._clock = clock
        self._deliver = deliver
        self._ready: deque[_Entry] = deque()
        self._ready_tokens = 0
        self._computing = 0
        self._state = threading.Lock()
        # Threads that wake for nothing take Python's lock from the one that computes, so each kind has its own call.
        self._work = threading.Condition(self._state)
        self._more_work = threading.Condition(self._state)
        self._ended = False

    def read(self, messages: Iterable[Sequence[Text]]) -> None:
        """Tokenize what comes until there is no more; for a thread of its own."""
        try:
            for texts in messages:
                self._add(self._tokenized(texts))
        finally:
            with self._state:
                self._ended = True
                self._work.notify_all()
                self._more_work.notify_all()

    def compute(self, *, first: bool) -> None:
        """Compute batch after batch, until the reader has ended; for each of `cores.count` threads, of which one is the
        first: it computes whatever comes, the others what is worth them.
        """
        while (taken := self._next_batch(first=first)) is not None:
            batch, threads = taken
            self._cores.use(threads)
            outcome = self._computed(batch)
            with self._state:
                self._computing -= 1
            self._deliver(outcome)

    def _tokenized(self, texts: Sequence[Text]) -> list[_Entry]:
        """Each text ready to be computed, or why it is not; those that nobody waits for any more are not read."""
        started = self._clock()
        live = [text for text in texts if text.deadline is None or started < text.deadline]
        prepared = dict(zip((text.number for text in live), self._prepared([text.item for text in live]), strict=True))
        tokenize_ms = 1000 * (self._clock() - started)
        return [_Entry(text, prepared.get(text.number) or _expired(), tokenize_ms) for text in texts]

    def _prepared(self, items: Sequence[EmbedItem]) -> list[Prepared | ItemError]:
        """A text that the tokenizer fails on, as with a damaged vocabulary, is told so; its neighbours go on."""
        try:
            return self._embedder.prepare(items)
        except Exception as error:  # noqa: BLE001 - whatever it is, the neighbours of the text at fault go on
            _log.warning("%d texts could not be tokenized", len(items), exc_info=error)
            if len(items) == 1:
                return [ComputeError(f"the text could not be tokenized ({error})")]
        return [each for item in items for each in self._prepared([item])]

    def _add(self, entries: Sequence[_Entry]) -> None:
        with self._state:
            self._ready.extend(entries)
            self._ready_tokens += sum(entry.tokens for entry in entries)
            self._work.notify()
            self._call_another()

    def _call_another(self) -> None:
        if self._is_worth_another():
            self._more_work.notify()

    def _is_worth_another(self) -> bool:
        return self._cores.worth_another(self._ready_tokens)

    def _next_batch(self, *, first: bool) -> tuple[list[_Entry], int] | None:
        """What is to be computed, and with how many cores; waits for it. None at the end: nobody reads the rest."""
        with self._state:
            if first:
                self._work.wait_for(lambda: self._ended or self._ready)
            else:
                self._more_work.wait_for(lambda: self._ended or self._is_worth_another())
            if self._ended:
                return None
            batch = self._take(self._cores.share(self._ready_tokens, self._computing))
            self._computing += 1
            self._call_another()
            tokens = sum(entry.tokens for entry in batch)
            return batch, self._cores.threads(tokens, len(batch), self._computing)

    def _take(self, share: int) -> list[_Entry]:
        budget = min(self._batch_tokens, share)
        batch: list[_Entry] = []
        while self._ready and (not batch or self._ready[0].tokens <= budget):
            batch.append(self._ready.popleft())
            budget -= batch[-1].tokens
            self._ready_tokens -= batch[-1].tokens
        return batch

    def _computed(self, batch: Sequence[_Entry]) -> Outcome:
        started = self._clock()
        live = [entry for entry in batch if self._is_live(entry, started)]
        ends, vectors = self._ends(live)
        found = dict(zip((entry.text.number for entry in live), ends, strict=True))
        return Outcome(
            numbers=[entry.text.number for entry in batch],
            ends=[found.get(entry.text.number) or _end_of(entry) for entry in batch],
            vectors=vectors,
            started_at=started,
            tokenize_ms=max(entry.tokenize_ms for entry in batch),
            compute_ms=1000 * (self._clock() - started),
        )

    @staticmethod
    def _is_live(entry: _Entry, now: float) -> bool:
        expired = entry.text.deadline is not None and now >= entry.text.deadline
        return isinstance(entry.prepared, Prepared) and not expired

    def _ends(self, live: Sequence[_Entry]) -> tuple[list[End], NDArray[np.float32]]:
        """How each text ends. A batch that cannot be computed, for want of memory say, is tried in halves."""
        prepared = [entry.prepared for entry in live if isinstance(entry.prepared, Prepared)]
        try:
            vectors, computations = self._embedder.compute(prepared)
        except Exception as error:  # noqa: BLE001 - whatever it is, the neighbours of the text at fault go on
            _log.warning("a batch of %d texts could not be computed", len(live), exc_info=error)
            reason = str(error)
        else:
            finite = np.asarray(np.isfinite(vectors).all(axis=1))
            ends: list[End] = [
                Computed(how.domain.id, each.token_count, each.truncated, how.augmented)
                if sound
                else ComputeError(_NOT_FINITE)
                for each, how, sound in zip(prepared, computations, finite, strict=True)
            ]
            return ends, vectors[finite]
        # Only here, as the error holds on to all that the failed pass had in memory.
        return self._halved(live, reason)

    def _halved(self, live: Sequence[_Entry], reason: str) -> tuple[list[End], NDArray[np.float32]]:
        if len(live) == 1:
            return [ComputeError(f"the text could not be computed ({reason})")], self._embedder.compute([])[0]
        middle = len(live) // 2
        (first, some), (second, others) = self._ends(live[:middle]), self._ends(live[middle:])
        return first + second, np.concatenate([some, others])


def _end_of(entry: _Entry) -> End:
    """How a text ends that was not computed."""
    return _expired() if isinstance(entry.prepared, Prepared) else entry.prepared


def _expired() -> DeadlineExpiredError:
    return DeadlineExpiredError("the deadline passed while the texts waited: allow more time or send fewer")
