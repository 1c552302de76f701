"""The ladder on a log that was made so that each step has something to gain, and its controls something to lose."""

from collections.abc import Iterable

import numpy as np
import pytest

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.model import Entity
from attune.services.cli.measure.suggestion.cases import logs_of
from attune.services.cli.measure.suggestion.ladder import World
from attune.services.cli.measure.suggestion.logs import Entries, Entry
from attune.services.cli.measure.suggestion.moments import Entities, moment_of, walked
from attune.services.cli.measure.suggestion.report import measured
from attune.services.cli.measure.suggestion.scores import rank_of
from attune.services.suggestion.ranking.model import RankerModel
from attune.services.suggestion.ranking.texts import Block, Text

TOPICS = 12


class Vectors:
    """Vectors of made queries "topic-number": near where the topic is the same."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self._texts: dict[str, Text] = {}

    def prepare(self, texts: Iterable[str]) -> None:
        for text in texts:
            self[text]

    def __getitem__(self, text: str) -> Text:
        if text not in self._texts:
            vector = self._random.normal(size=TOPICS).astype(np.float32) / 4
            vector[int(text.split("-", maxsplit=1)[0])] += 1
            made = Text.of(text, vector / np.linalg.norm(vector))
            self._texts[text] = Text("", made.vector, made.trigrams[:0], made.words[:0])
        return self._texts[text]


def world(users: int, entities: Entities | None = None) -> World:
    """Each user turns between two topics of their own: the next query is of the one that was left. Nobody has any of
    the entities.
    """
    entries = [
        Entry(f"user {user}", 1000.0 * user + step, f"{(user + 5 * (step % 2)) % TOPICS}-{user}-{step}")
        for user in range(users)
        for step in range(6)
    ]
    log, vectors = logs_of(Entries("made", {"": entries}), 99, 0)[""], Vectors()
    known = {id(case): moment_of(case, *rest) for case, *rest in walked(log.cases, log.entries, None)}
    block = Block([vectors[text] for text in log.pool])
    places = {text: place for place, text in enumerate(log.pool)}
    return World(
        log, [known[id(case)] for case in log.cases], vectors, entities, {user: {} for user in log.users}, block, places
    )


def test_history_gains_where_it_tells_and_anothers_loses() -> None:
    rows, summary = measured(world(24), RankerModel.load(), 1)
    assert summary["mrr_gain_over_query_low"] > 0
    assert summary["mrr_gain_over_frequent_low"] > 0
    assert summary["shuffled_history_and_store_loss_low"] > 0
    assert summary["shuffled_history_and_store_loss_low"] <= summary["shuffled_history_and_store_loss"]
    assert summary["shuffled_history_and_store_loss"] <= summary["shuffled_history_and_store_loss_high"]
    assert {row["ranker"] for row in rows} >= {"frequent", "query", "learned: served", "shipped", "by_query"}


def test_anothers_store_alone_loses_nothing_where_no_store_has_anything() -> None:
    """However much another's history loses: the two figures are apart."""
    _, summary = measured(world(24, Entities(Catalog({"a": Entity("a", "nobody's")}))), RankerModel.load(), 1)
    assert summary["shuffled_store_loss"] == summary["shuffled_store_loss_high"] == 0
    assert summary["shuffled_history_and_store_loss_low"] > 0


def test_of_a_single_user_nothing_is_learned_and_nobody_is_exchanged() -> None:
    rows, summary = measured(world(1), RankerModel.load(), 1)
    assert not [row for row in rows if str(row["ranker"]).startswith("learned")]
    assert not [name for name in summary if name.startswith("shuffled")]
    assert summary["mrr"] > 0


def test_equals_count_half_and_what_is_not_allowed_does_not_count() -> None:
    scores, allowed = np.array([1.0, 2.0, 2.0, 3.0]), np.array([True, True, True, False])
    assert rank_of(scores, 1, allowed) == pytest.approx(1.5)
    assert rank_of(scores, 0, allowed) == 3
