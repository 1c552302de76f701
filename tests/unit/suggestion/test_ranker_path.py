"""The ranker's path: one call of the embedder, none for candidates that are warm, and few texts in a call."""

from collections.abc import Sequence

import numpy as np

from attune.services.suggestion.known import Situation
from attune.services.suggestion.ranking.encoder import MOST_COLD, Encoder
from attune.services.suggestion.ranking.features import BY_VECTOR, FEATURES
from attune.services.suggestion.ranking.model import RankerModel
from attune.services.suggestion.ranking.serving import RankerPath
from attune.services.suggestion.ranking.token import Token


class Embedder:
    """Notes what it is asked."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.is_away = False

    async def __call__(self, texts: Sequence[str]) -> np.ndarray | None:
        self.calls.append(list(texts))
        if self.is_away:
            return None
        made = np.array([[len(text), 1.0] for text in texts], np.float32)
        return made / np.linalg.norm(made, axis=1, keepdims=True)


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
    encoded = await Encoder(embedder).texts([], [("known", np.array([1, 0], np.float32))])
    assert embedder.calls == []
    assert encoded.wanted[0].vector is not None


async def test_the_least_used_text_is_forgotten_first() -> None:
    embedder = Embedder()
    encoder = Encoder(embedder, kept=2)
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
