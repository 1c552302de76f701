"""Which ranking won: a better one does, equal ones do not, and it is said how sure that is."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from tests.unit.search.simulated_clicks import FIRST, SECOND, World, by, weights

from attune.services.search.comparing.outcome import Outcome, outcomes
from attune.services.search.ranking.features import FEATURES
from attune.services.search.ranking.shown import ShownList, lists_of
from attune.services.search.ranking.token import Method, Token

TRUTH = weights(dense=1.5, bm25=1.0, personal=1.0)
BEST = by(TRUTH)
WORSE = by(weights(dense=1.0))
SAME = by(weights(dense=1.0, quote=1.0)), by(weights(dense=1.0, bm25_rank=1.0))
"""Two that differ and are equally good: what they add says nothing."""


def only(lists: Sequence[ShownList]) -> Outcome:
    (found,) = outcomes(lists)
    return found


@pytest.mark.parametrize("seed", range(2))
def test_interleaved_the_better_ranking_wins_on_whichever_side_it_is(seed: int) -> None:
    found = only(lists_of(World(TRUTH, seed).interleaved(600, WORSE, BEST)).lists)
    assert (found.winner, found.first, found.second) == (SECOND, FIRST, SECOND)
    assert found.p_value < 0.01
    assert 0 < found.low < found.effect < found.high
    assert (found.users, found.lists, found.sessions) == (200, 600, 600)
    turned = only(lists_of(World(TRUTH, seed).interleaved(600, BEST, WORSE)).lists)
    assert turned.winner == FIRST
    assert turned.high < 0


def test_equal_rankings_are_told_apart_as_seldom_as_the_level_says() -> None:
    found = [only(lists_of(World(TRUTH, seed).interleaved(120, *SAME)).lists) for seed in range(40)]
    assert sum(each.winner != "" for each in found) <= 6
    assert abs(np.mean([each.effect for each in found])) < 3 * np.std([each.effect for each in found]) / math.sqrt(40)


def test_by_users_the_better_ranking_wins_too_and_takes_more_sessions() -> None:
    found = only(lists_of(World(TRUTH, 1).by_users(1500, WORSE, BEST)).lists)
    assert (found.winner, found.method) == (SECOND, Method.USERS)
    interleaved = only(lists_of(World(TRUTH, 1).interleaved(600, WORSE, BEST)).lists)
    assert found.sessions_needed is not None
    assert interleaved.sessions_needed is not None
    assert found.sessions_needed > 2 * interleaved.sessions_needed


def shown(user: str, *teams: int, method: Method = Method.INTERLEAVING, clicked: Sequence[int] = (1,)) -> ShownList:
    values = np.zeros(len(FEATURES), np.float32)
    tokens = [Token(place, values, FIRST, SECOND, method, team) for place, team in enumerate(teams, start=1)]
    chosen = [place in clicked for place in range(1, len(teams) + 1)]
    return ShownList(user, "s", tokens, chosen, [False] * len(teams))


def test_a_click_on_what_both_would_have_shown_says_nothing() -> None:
    found = only([shown(str(user), 0, 1, 2) for user in range(10)])
    assert (found.effect, found.p_value, found.winner, found.sessions_needed) == (0, 1, "", None)


def test_a_user_who_searches_all_day_is_one_user() -> None:
    eager = [shown("ada", 2, 1) for _ in range(1000)]
    found = only([*eager, *(shown(str(user), 1, 2) for user in range(10))])
    assert found.effect == pytest.approx(-9 / 11)
    assert (found.winner, found.first_wins, found.second_wins) == (FIRST, 10, 1000)


@pytest.mark.parametrize("users", [1, 2, 4, 5])
def test_few_users_decide_nothing(users: int) -> None:
    found = only([shown(str(user), 2, 1) for user in range(users)])
    assert (found.users, found.winner, found.second_wins) == (users, "", users)


def test_six_users_who_all_say_the_same_decide_it() -> None:
    found = only([shown(str(user), 2, 1) for user in range(6)])
    assert (found.winner, found.p_value) == (SECOND, 2**-5)


def test_what_was_not_compared_is_left_out_and_pairs_are_told_apart() -> None:
    plain = ShownList("ada", "s", [Token(1, np.zeros(len(FEATURES), np.float32), FIRST)], [True], [False])
    assert outcomes([plain]) == []
    found = outcomes([shown("ada", 2, 1), shown("ada", 2, 2, method=Method.USERS), plain])
    assert [each.method for each in found] == [Method.INTERLEAVING, Method.USERS]


def test_a_group_without_users_decides_nothing() -> None:
    found = only([shown(str(user), 1, 1, method=Method.USERS) for user in range(10)])
    assert (found.winner, found.p_value, found.sessions_needed) == ("", 1, None)
