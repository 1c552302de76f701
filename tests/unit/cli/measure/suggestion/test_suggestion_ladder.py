"""The ladder on a log that was made so that each step has something to gain, and its controls something to lose."""

import numpy as np
import pytest
from tests.suggestion_world import world

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.model import Entity
from attune.services.cli.measure.suggestion.moments import Entities
from attune.services.cli.measure.suggestion.report import measured
from attune.services.cli.measure.suggestion.scores import rank_of
from attune.services.suggestion.ranking.model import RankerModel


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
