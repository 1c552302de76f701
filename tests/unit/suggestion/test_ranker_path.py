"""The ranker's path: one call of the embedder, none for candidates that are warm, and few texts in a call."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import structlog
from structlog.testing import capture_logs

from attune.services.suggestion.known import Situation
from attune.services.suggestion.queries.model import NO_QUERIES, Counted
from attune.services.suggestion.ranking.encoder import MOST_COLD, Embedded, Encoder
from attune.services.suggestion.ranking.features import BY_VECTOR, FEATURES
from attune.services.suggestion.ranking.model import RankerModel
from attune.services.suggestion.ranking.serving import RankerPath
from attune.services.suggestion.ranking.token import Token


class Embedder:
    """Notes what it is asked."""

    def __init__(self, model_id: str = "now") -> None:
        self.model_id = model_id
        self.calls: list[list[str]] = []
        self.is_away = False

    async def __call__(self, texts: Sequence[str]) -> Embedded | None:
        self.calls.append(list(texts))
        if self.is_away:
            return None
        made = np.array([[len(text), 1.0] for text in texts], np.float32)
        return Embedded(made / np.linalg.norm(made, axis=1, keepdims=True), self.model_id)


def situation(query: str = "run tasks", titles: Sequence[str] = ("Tasks", "Queues")) -> Situation:
    return Situation(query, (), "", "", (), titles)


async def test_a_warm_ranking_asks_for_vectors_of_what_the_user_said_alone() -> None:
    """Which is not kept, whoever asks it again."""
    embedder = Embedder()
    path = RankerPath(embedder, RankerModel.load())
    first = await path.ranked(situation(), lambda _: True, 5)
    second = await path.ranked(situation(), lambda _: True, 5)
    assert embedder.calls == [["run tasks", "Tasks", "Queues"], ["run tasks"]]
    assert set(path._encoder._kept) == {"tasks", "queues"}
    assert [each.candidate for each in first.suggestions] == [each.candidate for each in second.suggestions]
    assert first.notice == ""


async def test_without_the_embedder_the_ranker_goes_by_the_rest_and_keeps_nothing() -> None:
    embedder = Embedder()
    path = RankerPath(embedder, RankerModel.load())
    embedder.is_away = True
    ranking = await path.ranked(situation(), lambda _: True, 5)
    assert {each.candidate.text for each in ranking.suggestions} == {"Tasks", "Queues"}
    assert ranking.suggestions[0].candidate.text == "Tasks"  # as the query has its letters
    assert "embedding service is unavailable" in ranking.notice
    by_meaning = [place for place, name in enumerate(FEATURES) if name in BY_VECTOR - {"turns_cosine", "page_cosine"}]
    values = Token.decoded(ranking.suggestions[0].token).values
    assert np.isnan(values[by_meaning]).all()
    embedder.is_away = False
    assert (await path.ranked(situation(), lambda _: True, 5)).notice == ""
    assert embedder.calls == [["run tasks", "Tasks", "Queues"]] * 2


async def test_without_the_embedder_stored_vectors_do_not_set_candidates_apart() -> None:
    embedder = Embedder()
    embedder.is_away = True
    encoded = await Encoder(embedder).texts(["query"], [("stored", np.array([1, 0], np.float32)), ("cold", None)])
    assert [each.vector for each in (*encoded.needed, *encoded.wanted)] == [None, None, None]


async def test_of_many_cold_candidates_only_some_are_embedded() -> None:
    embedder = Embedder()
    wanted = [(f"text {number}", None) for number in range(60)]
    encoded = await Encoder(embedder).texts(["query"], wanted)
    assert len(embedder.calls[0]) == 1 + MOST_COLD
    assert len(encoded.wanted) == 60


async def test_a_stored_vector_costs_no_call() -> None:
    embedder = Embedder()
    stored = np.array([1, 0], np.float32)
    (text,) = (await Encoder(embedder).texts(["query"], [("known", stored)], "now")).wanted
    assert embedder.calls == [["query"]]
    assert text.vector is stored


@pytest.fixture
def every_level() -> Iterator[None]:
    """Of the log, whatever level another test has set."""
    before = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("every_level")
@pytest.mark.parametrize("counted_by", ["before", ""])
async def test_a_stored_vector_of_another_model_counts_for_nothing_and_is_told_once(counted_by: str) -> None:
    embedder = Embedder()
    encoder, stored = Encoder(embedder), np.ones(384, np.float32)
    with capture_logs() as log:
        first = await encoder.texts(["query"], [("known", stored), ("cold", None)], counted_by)
        again = (await encoder.texts(["query"], [("known", stored), ("cold", None)], counted_by)).wanted
    assert first.needed[0].vector is not None
    assert [each.vector is None or len(each.vector) == 2 for each in (*first.wanted, *again)] == [True] * 4
    assert again[0].vector is not None  # it was embedded, as one that has none
    assert [each["counted_by"] for each in log] == [counted_by]


async def test_with_nothing_of_the_user_to_embed_stored_vectors_are_trusted_once_the_model_is_known() -> None:
    embedder = Embedder()
    encoder, stored = Encoder(embedder), np.array([1, 0], np.float32)
    await encoder.texts([], [("known", stored)], "now")
    await encoder.texts([], [("other", stored)], "now")
    assert embedder.calls == [["known"]]


async def test_another_model_empties_the_cache() -> None:
    embedder = Embedder()
    encoder = Encoder(embedder)
    await encoder.texts([], [("warm", None)])
    embedder.model_id = "new"
    (text,) = (await encoder.texts(["query"], [("warm", None)])).wanted
    assert text.vector is None
    await encoder.texts(["query"], [("warm", None)])
    assert embedder.calls == [["warm"], ["query"], ["query", "warm"]]


class Counts(type(NO_QUERIES)):  # type: ignore[misc]
    """Of another model, with more dimensions than the embedder has."""

    vectors_by = "before"

    def next_after(self, *_: object) -> list[Counted]:
        return [Counted("await tasks", 9, (), np.ones(384, np.float32))]


async def test_a_count_with_vectors_of_another_model_ends_no_suggestions() -> None:
    path = RankerPath(Embedder(), RankerModel.load(), queries=Counts)
    found = await path.ranked(situation(), lambda _: True, 5)
    assert "await tasks" in {each.candidate.text for each in found.suggestions}


async def test_the_least_used_text_is_forgotten_first() -> None:
    embedder = Embedder()
    measure = Encoder(embedder)
    await measure.texts([], [("a", None), ("b", None)])
    embedder.calls.clear()
    encoder = Encoder(embedder, most_bytes=measure._kept.bytes)  # so much as two take
    for text in ("a", "b", "a", "c", "a"):
        await encoder.texts([], [(text, None)])
    assert embedder.calls == [["a"], ["b"], ["c"]]


async def test_what_is_not_allowed_is_not_ranked() -> None:
    path = RankerPath(Embedder(), RankerModel.load())
    found = await path.ranked(situation(), lambda text: text != "Tasks", 5)
    assert [each.candidate.text for each in found.suggestions] == ["Queues"]


async def test_an_empty_situation_gives_nothing_and_asks_nothing() -> None:
    embedder = Embedder()
    ranking = await RankerPath(embedder, RankerModel.load()).ranked(situation("", ()), lambda _: True, 5)
    assert list(ranking.suggestions) == []
    assert embedder.calls == []
