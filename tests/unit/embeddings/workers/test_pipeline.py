import logging
import threading
import weakref
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from attune.embeddings.domains import Domain, ExpertKind
from attune.embeddings.embedder import Computation, Prepared
from attune.embeddings.errors import ComputeError, DeadlineExpiredError, TextError
from attune.embeddings.items import EmbedItem
from attune.embeddings.tokenizer import Tokenized
from attune.embeddings.workers.cores import Cores
from attune.embeddings.workers.messages import Computed, Outcome, Text
from attune.embeddings.workers.pipeline import Pipeline

NOW = 100.0
GENERAL_DOMAIN = Domain("general", "", ExpertKind.GENERAL, "1")
DIMENSION = 3


class CountingEmbedder:
    """A text has as many tokens as characters; its vector repeats that number.

    "poison" cannot be computed, "riddle" not be tokenized, and the vector of "abyss" is not finite.
    """

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.read: list[str] = []

    def prepare(self, items: Sequence[EmbedItem]) -> list[Prepared | TextError]:
        if any(item.text == "riddle" for item in items):
            raise RuntimeError("the vocabulary has no unknown token")
        self.read += [item.text for item in items]
        return [
            Prepared(Tokenized(tuple(map(ord, item.text)), truncated=False), GENERAL_DOMAIN)
            if item.text
            else TextError(index, "the text is empty")
            for index, item in enumerate(items)
        ]

    def compute(self, prepared: Sequence[Prepared]) -> tuple[np.ndarray, list[Computation]]:
        lengths = [each.token_count for each in prepared]
        self.batches.append(lengths)
        if any(each.tokens.ids == tuple(map(ord, "poison")) for each in prepared):
            raise RuntimeError("out of memory")
        vectors = np.array([[length] * DIMENSION for length in lengths], np.float32).reshape(-1, DIMENSION)
        vectors[[each.tokens.ids == tuple(map(ord, "abyss")) for each in prepared]] = np.nan
        return vectors, [Computation(each.domain) for each in prepared]


class Ends:
    """The end of each text by its number, from the outcomes delivered."""

    def __init__(self) -> None:
        self.ends: dict[int, object] = {}
        self.vectors: dict[int, float] = {}
        self.outcomes: list[Outcome] = []

    def __call__(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        rows = iter(outcome.vectors)
        for number, end in zip(outcome.numbers, outcome.ends, strict=True):
            assert number not in self.ends
            self.ends[number] = end
            if isinstance(end, Computed):
                self.vectors[number] = float(next(rows)[0])


@pytest.fixture
def embedder() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def ends() -> Ends:
    return Ends()


def texts(*words: str, deadline: float | None = None) -> list[Text]:
    return [Text(number, EmbedItem(word), deadline) for number, word in enumerate(words)]


def run(embedder: CountingEmbedder, ends: Ends, message: Sequence[Text], batch_tokens: int = 1000, threads: int = 1):
    """Sends the message and hangs up when all its texts have ended."""
    done = threading.Event()

    def deliver(outcome: Outcome) -> None:
        ends(outcome)
        if len(ends.ends) == len(message):
            done.set()

    def messages() -> Iterator[Sequence[Text]]:
        yield message
        assert done.wait(10)

    pipeline = Pipeline(embedder, Cores(threads, alone_tokens=4), batch_tokens, lambda: NOW, deliver)
    computing = [threading.Thread(target=pipeline.compute, kwargs={"first": not number}) for number in range(threads)]
    for thread in computing:
        thread.start()
    pipeline.read(messages())
    for thread in computing:
        thread.join(10)
        assert not thread.is_alive()


def test_every_text_gets_its_own_vector(embedder, ends):
    run(embedder, ends, texts("a", "bbb", "cc"))
    assert ends.vectors == {0: 1, 1: 3, 2: 2}


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_share_what_is_ready_and_lose_nothing(embedder, ends, threads):
    words = ["x" * (1 + number % 7) for number in range(200)]
    run(embedder, ends, texts(*words), batch_tokens=32, threads=threads)
    assert ends.vectors == {number: len(word) for number, word in enumerate(words)}
    assert all(sum(batch) <= 32 for batch in embedder.batches)


def test_a_text_larger_than_a_batch_goes_alone(embedder, ends):
    run(embedder, ends, texts("x" * 50, "y"), batch_tokens=10)
    assert embedder.batches == [[50], [1]]


def test_an_error_takes_no_vector_and_harms_no_neighbour(embedder, ends):
    run(embedder, ends, texts("a", "", "cc"))
    assert isinstance(ends.ends[1], TextError)
    assert ends.vectors == {0: 1, 2: 2}


def test_expired_texts_are_not_computed(embedder, ends):
    run(embedder, ends, [*texts("a", deadline=NOW), Text(1, EmbedItem("bb"), NOW + 1)])
    assert isinstance(ends.ends[0], DeadlineExpiredError)
    assert (embedder.batches, embedder.read) == ([[2]], ["bb"])  # nor tokenized


def test_a_batch_that_cannot_be_computed_is_tried_in_halves_and_logged(embedder, ends, caplog):
    run(embedder, ends, texts("a", "bb", "poison", "ccc"))
    assert isinstance(ends.ends[2], ComputeError)
    assert "out of memory" in str(ends.ends[2])
    assert ends.vectors == {0: 1, 1: 2, 3: 3}
    assert caplog.messages[0] == "a batch of 4 texts could not be computed"


def test_a_failed_pass_lets_go_of_its_memory_before_the_halves_are_tried(ends, caplog):
    """What the failed pass had is only held by its error."""
    caplog.set_level(logging.CRITICAL, "attune.embeddings.workers.pipeline")  # a record that is kept holds the error

    class Activations:
        pass

    held: list[weakref.ref[Activations]] = []

    class Failing(CountingEmbedder):
        def compute(self, prepared):
            assert all(each() is None for each in held)
            activations = Activations()
            if len(prepared) > 1:
                held.append(weakref.ref(activations))
                raise RuntimeError("out of memory")
            return super().compute(prepared)

    run(Failing(), ends, texts("a", "bb", "ccc", "dddd"))
    assert len(held) == 3
    assert ends.vectors == {0: 1, 1: 2, 2: 3, 3: 4}


def test_a_text_that_the_tokenizer_fails_on_harms_no_neighbour(embedder, ends, caplog):
    run(embedder, ends, texts("a", "riddle", "cc"))
    assert isinstance(ends.ends[1], ComputeError)
    assert "could not be tokenized (the vocabulary has no unknown token)" in str(ends.ends[1])
    assert ends.vectors == {0: 1, 2: 2}
    assert caplog.messages[0] == "3 texts could not be tokenized"


def test_a_vector_that_is_not_finite_is_an_error_of_its_text(embedder, ends):
    run(embedder, ends, texts("a", "abyss", "cc"))
    assert isinstance(ends.ends[1], ComputeError)
    assert ends.vectors == {0: 1, 2: 2}


def test_a_batch_of_errors_alone_computes_nothing(embedder, ends):
    run(embedder, ends, texts("", ""))
    assert [type(end) for end in ends.ends.values()] == [TextError, TextError]
    assert sum(map(len, embedder.batches)) == 0


def test_others_compute_what_is_worth_them_while_the_first_is_at_work(ends):
    """The first thread is held in a batch until another one has computed."""
    other_done, first_began = threading.Event(), threading.Event()

    class Holding(CountingEmbedder):
        def compute(self, prepared):
            if threading.current_thread().name == "first":
                first_began.set()
                assert other_done.wait(10)
            found = super().compute(prepared)
            if threading.current_thread().name == "other":
                other_done.set()
            return found

    def messages() -> Iterator[Sequence[Text]]:
        yield [Text(0, EmbedItem("abc"), None)]
        assert first_began.wait(10)
        yield [Text(1, EmbedItem("abc"), None)]  # too little for another
        yield [Text(2, EmbedItem("abcd"), None)]
        assert other_done.wait(10)

    pipeline = Pipeline(Holding(), Cores(2, alone_tokens=4), 1000, lambda: NOW, ends)
    threads = [
        threading.Thread(target=pipeline.compute, kwargs={"first": name == "first"}, name=name)
        for name in ("first", "other")
    ]
    for thread in threads:
        thread.start()
    pipeline.read(messages())
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert ends.vectors == {0: 3, 1: 3, 2: 4}
