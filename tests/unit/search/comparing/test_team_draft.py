"""Interleaving: both rankings pick fairly, nothing is lost, and a name draws the same again."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.search.comparing.plan import Comparison, assign
from attune.services.search.comparing.team_draft import FIRST, NEITHER, SECOND, all_coins, seeded, team_draft
from attune.services.search.ranking.token import Method

IDS = [str(number) for number in range(12)]
orders = st.permutations(IDS)


@given(orders, orders, st.integers(0, 14), st.text())
def test_each_team_picks_its_best_that_is_left_and_none_gets_more_than_one_ahead(
    first: list[str], second: list[str], depth: int, name: str
) -> None:
    drafted = team_draft(first, second, depth, seeded(name))
    assert len(drafted.ids) == len(set(drafted.ids)) == min(depth, len(IDS))
    left = {FIRST: list(first), SECOND: list(second)}
    for id_, team in zip(drafted.ids, drafted.teams, strict=True):
        assert team == NEITHER or left[team][0] == id_
        for order in left.values():
            order.remove(id_)
    counts = Counter(drafted.teams)
    assert abs(counts[FIRST] - counts[SECOND]) <= 1


@given(orders, orders, st.integers(0, 12), st.text())
def test_a_longer_list_begins_as_a_shorter_one(first: list[str], second: list[str], depth: int, name: str) -> None:
    whole = team_draft(first, second, 12, seeded(name))
    part = team_draft(first, second, depth, seeded(name))
    assert (whole.ids[:depth], whole.teams[:depth]) == (part.ids, part.teams)


@given(orders, st.text())
def test_where_both_agree_nobody_gets_the_credit(order: list[str], name: str) -> None:
    drafted = team_draft(order, order, 12, seeded(name))
    assert (list(drafted.ids), set(drafted.teams)) == (order, {NEITHER})


@given(orders, orders)
def test_over_all_ways_the_coins_may_fall_no_ranking_is_favoured(first: list[str], second: list[str]) -> None:
    """Whatever the rankings are: of each hit, the two teams' chances of any place are those of a fair game."""
    ways = [team_draft(first, second, 12, coin) for coin in all_coins(6, "")]
    swapped = [team_draft(second, first, 12, coin) for coin in all_coins(6, "")]
    assert Counter(way.ids for way in ways) == Counter(way.ids for way in swapped)


def test_the_same_name_draws_the_same_and_other_names_others() -> None:
    lists = {team_draft(IDS, IDS[::-1], 12, seeded(name)).ids for name in ("a", "b", "c", "d", "e")}
    assert team_draft(IDS, IDS[::-1], 12, seeded("a")) == team_draft(IDS, IDS[::-1], 12, seeded("a"))
    assert len(lists) > 1


@pytest.mark.parametrize("method", [Method.INTERLEAVING, Method.USERS])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_about_that_share_takes_part_and_each_stays_on_its_side(method: Method, share: float) -> None:
    comparison = Comparison("personal", "plain", method, share)
    drawn = [assign(comparison, "personal", "acme", f"u{number}", "s") for number in range(2000)]
    assert drawn == [assign(comparison, "personal", "acme", f"u{number}", "s") for number in range(2000)]
    treated = sum(each.names in (("personal", "plain"), ("plain",)) for each in drawn)
    assert treated / 2000 == pytest.approx(share, abs=0.04)


def test_sessions_are_drawn_one_by_one_and_users_as_a_whole() -> None:
    sessions = [str(number) for number in range(50)]
    by_session = Comparison("personal", "plain", Method.INTERLEAVING, 0.5)
    by_user = Comparison("personal", "plain", Method.USERS, 0.5)
    assert len({assign(by_session, "personal", "acme", "ada", each).method for each in sessions}) == 2
    assert len({assign(by_user, "personal", "acme", "ada", each).names for each in sessions}) == 1


def test_nobody_takes_part() -> None:
    found = assign(Comparison("personal", "plain", Method.USERS, 1.0), "learned", "acme", "", "s")
    assert (found.names, found.compared) == (("learned",), None)
