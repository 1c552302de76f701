"""What is kept of a session: vectors for half an hour, and no text."""

from collections.abc import Sequence

import numpy as np
import pytest

from attune.knowledge.v1.context_pb2 import Context, Turn
from attune.services.search.leaning.said import MOST_CHARACTERS, SaidVectors, said


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([], ""),
        ([Turn(query="hotels in Rome")], "hotels in Rome"),
        ([Turn(query="hotels"), Turn(query="and near?", title="Rome", text="Hotel Roma")], "Rome\nHotel Roma"),
        ([Turn(query="hotels", text="Hotel Roma"), Turn(query="and near?")], "and near?"),
        ([Turn(query=" ", title=" ", text="\n")], ""),
        ([Turn(text="a" * 5000)], "a" * MOST_CHARACTERS),
    ],
    ids=["no turn", "a query", "an answer", "the last turn", "nothing but blanks", "a long answer"],
)
def test_the_last_turn_is_what_was_said(turns: list[Turn], expected: str) -> None:
    assert said(Context(turns=turns)) == expected


class Embedder:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.now = 0.0

    async def embed(self, texts: Sequence[str], domain: str) -> list[np.ndarray | None]:
        self.asked += [(text, domain) for text in texts]
        return [None if text == "refused" else np.ones(3, np.float32) for text in texts]

    def vectors(self, kept: int = 100) -> SaidVectors:
        return SaidVectors(self.embed, lambda: self.now, kept)


async def test_a_text_is_embedded_once_for_a_tenant_a_domain_and_a_space() -> None:
    embedder = Embedder()
    vectors = embedder.vectors()
    for _ in range(2):
        assert await vectors.of("acme", "Rome", "general", "") is not None
    assert embedder.asked == [("Rome", "general")]
    for other in [("globex", "Rome", "general", ""), ("acme", "Rome", "law", ""), ("acme", "Rome", "general", "law@2")]:
        await vectors.of(*other)
    assert len(embedder.asked) == 4


async def test_it_goes_half_an_hour_after_its_last_use() -> None:
    embedder = Embedder()
    vectors = embedder.vectors()
    for minute in (0, 20, 40):
        embedder.now = minute * 60.0
        await vectors.of("acme", "Rome", "general", "")
    assert len(embedder.asked) == 1
    embedder.now = 71 * 60.0
    await vectors.of("acme", "Paris", "general", "")
    assert len(vectors) == 1


async def test_of_many_the_oldest_go() -> None:
    embedder = Embedder()
    vectors = embedder.vectors(kept=2)
    for text in ("Rome", "Paris", "Oslo", "Rome"):
        await vectors.of("acme", text, "general", "")
    assert [text for text, _ in embedder.asked] == ["Rome", "Paris", "Oslo", "Rome"]
    assert len(vectors) == 2


async def test_nothing_said_is_not_embedded() -> None:
    embedder = Embedder()
    assert await embedder.vectors().of("acme", "", "general", "") is None
    assert embedder.asked == []


async def test_what_cannot_be_embedded_is_not_kept() -> None:
    embedder = Embedder()
    vectors = embedder.vectors()
    assert await vectors.of("acme", "refused", "general", "") is None
    assert len(vectors) == 0


async def test_no_text_is_kept() -> None:
    vectors = Embedder().vectors()
    await vectors.of("acme", "a secret", "general", "")
    assert "secret" not in repr(vars(vectors))
