"""A judge of the ranker's candidates: one that knows what follows gains, and one that knows nothing does not."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.suggestion_world import world

from attune.embeddings.errors import SettingError
from attune.services.cli.measure.suggestion.ladder import SERVED, CrossFitted, cross_fitted
from attune.services.cli.measure.suggestion_llm.cases import drawn_cases
from attune.services.cli.measure.suggestion_llm.scored import (
    CONTEXTS,
    KINDS,
    best_alone,
    best_mix,
    mrr,
    rank_all,
)
from attune.services.cli.measure.suggestion_llm.scorer import scorer


@pytest.fixture(scope="module")
def ranker() -> CrossFitted:
    return cross_fitted(world(12), SERVED)


def knowing(context: str, texts: Sequence[str]) -> NDArray[np.float64]:
    """Holds queries of the user who asks to be likely, the later the likelier."""
    user = context.strip().rsplit("\n", maxsplit=1)[-1].split("-")[1:2]
    likely = [float(text.split("-")[2]) if text.split("-")[1:2] == user else -9.0 for text in texts]
    return np.array([[each, 2.0] for each in likely])


def ignorant(_context: str, texts: Sequence[str]) -> NDArray[np.float64]:
    return np.array([[-5.0, 2.0] for _ in texts])


def test_a_case_is_the_last_of_its_user_and_another_has_anothers_history(ranker: CrossFitted) -> None:
    log = ranker.world.log
    cases = drawn_cases(log, 99)
    assert sorted(case.user for case in cases) == sorted(log.users)
    for case in cases:
        of_log = log.cases[case.place]
        assert (case.next_query, case.query) == (of_log.target, of_log.query)
        assert case.place == max(place for place, each in enumerate(log.cases) if each.user == case.user)
        assert list(case.history) == list(reversed(of_log.earlier[:-1]))
        assert not set(case.others) & set(case.history)
    assert drawn_cases(log, 3) == cases[:3]


def test_a_judge_who_knows_gains_and_the_mix_is_chosen_so(ranker: CrossFitted) -> None:
    cases, done = drawn_cases(ranker.world.log, 99), []
    ranked = rank_all(knowing, cases, ranker, lambda: done.append(1))
    assert len(done) == len(cases)
    context, kind, weight = best_mix(ranked)
    mixed = mrr([each.mixed_rank(weight, context, kind) for each in ranked])
    assert mixed > mrr([each.rank for each in ranked])
    assert mrr([each.judged_rank(*best_alone(ranked)) for each in ranked if each.gold is not None]) == 1
    assert {context} <= set(CONTEXTS)
    assert {kind} <= set(KINDS)


def test_a_judge_who_knows_nothing_changes_nothing(ranker: CrossFitted) -> None:
    for each in rank_all(ignorant, drawn_cases(ranker.world.log, 4), ranker, lambda: None):
        assert each.mixed_rank(2.0, "query", "sum") == pytest.approx(each.rank)
        if each.gold is not None:
            assert each.judged_rank("query", "sum") == (len(each.scores) + 1) / 2


def test_candidates_are_new_to_the_user_and_in_the_rankers_order(ranker: CrossFitted) -> None:
    log = ranker.world.log
    for case, each in zip(
        drawn_cases(log, 4), rank_all(ignorant, drawn_cases(log, 4), ranker, lambda: None), strict=True
    ):
        assert np.all(np.diff(each.scores) <= 0)
        if each.gold is not None:
            assert log.pool[ranker.world.places[case.next_query]] not in log.cases[case.place].earlier
            assert each.rank == pytest.approx(each.gold + 1)


def test_a_program_that_cannot_score_is_named(tmp_path: Path) -> None:
    with scorer(Path(sys.executable), tmp_path / "none.gguf", 1) as score, pytest.raises(SettingError, match="scorer"):
        score("", ["a"])
