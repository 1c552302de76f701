from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.knowledge_store.builders import ANNA, START, days, moments, observation, state, untimed

from attune.knowledge_store.model import HALF_LIFE, EntityState, EventKind, Interaction, Source, UserKey, decay


@pytest.mark.parametrize(("tenant", "user", "field"), [("", "u", "tenant"), ("t", "", "user"), ("t", "\ud800", "user")])
def test_a_user_key_says_which_part_is_unusable(tenant, user, field):
    with pytest.raises(ValueError, match=f"^{field} "):
        UserKey(tenant, user)


@pytest.mark.parametrize("user", ["a/b", "ünï", "x" * 5000, "nul\0inside", "../..", "a b"])
def test_user_ids_may_hold_any_text(user):
    assert UserKey("acme", user).user == user


def test_values_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        ANNA.user = "ben"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_id", ""),
        ("event_id", "\udfff"),
        ("object_id", "\udfff"),
        ("occurred_at", datetime(2026, 1, 1)),  # noqa: DTZ001 - the naive time is the point
        ("logged_at", datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2)))),
        ("dwell_ms", -1),
        ("position", -3),
    ],
)
def test_an_interaction_names_the_field_that_is_wrong(field, value):
    good = Interaction("e1", ANNA, EventKind.CLICK, START, START)
    with pytest.raises(ValueError, match=f"^{field} "):
        replace(good, **{field: value})


@pytest.mark.parametrize("year", [1, 1970, 2090, 9999])
def test_an_interaction_may_be_of_any_year(year):
    at = datetime(year, 1, 1, tzinfo=UTC)
    assert Interaction("e1", ANNA, EventKind.CLICK, at, at).occurred_at == at


def test_a_weight_halves_every_thirty_days():
    assert timedelta(days=30) == HALF_LIFE
    assert state("a", weight=8.0).weight_at(days(90)) == 1.0


def test_a_weight_does_not_grow_backwards_in_time():
    assert state("a", weight=8.0).weight_at(days(-30)) == 8.0


def test_decay_over_centuries_is_zero_rather_than_an_error():
    assert decay(timedelta(days=365 * 8000)) == 0.0


def test_observing_counts_by_kind_and_source_and_decays_what_was_there():
    after = (
        EntityState.first(observation("a", days(0)))
        .observed(observation("a", days(30)))
        .observed(observation("a", days(60), 0.5, EventKind.CLICK))
    )
    assert after.counts == {(EventKind.QUERY, Source.QUERY): 2, (EventKind.CLICK, Source.DOCUMENT): 1}
    assert (after.count, after.first_seen, after.last_seen) == (3, days(0), days(60))
    assert after.weight == 0.25 + 0.5 + 0.5


def test_a_late_observation_counts_as_much_as_it_would_have():
    in_order = EntityState.first(observation("a", days(0))).observed(observation("a", days(30)))
    late = EntityState.first(observation("a", days(30))).observed(observation("a", days(0)))
    assert late == in_order


@untimed
@given(st.lists(st.tuples(moments(), st.sampled_from((1.0, 0.5, -1.0))), min_size=1, max_size=8), st.randoms())
def test_the_order_of_observations_does_not_matter(seen, random):
    def fold(observations):
        first, *rest = (observation("a", at, weight) for at, weight in observations)
        folded = EntityState.first(first)
        for one in rest:
            folded = folded.observed(one)
        return folded

    shuffled = random.sample(seen, len(seen))
    one, other = fold(seen), fold(shuffled)
    assert one.weight == pytest.approx(other.weight, abs=1e-9)
    assert one.recent == pytest.approx(other.recent, abs=1e-9)
    assert replace(one, weight=0.0, recent=0.0) == replace(other, weight=0.0, recent=0.0)


weights = st.one_of(st.floats(0.001, 100), st.floats(-100, -0.001), st.just(0.0))
near = st.integers(0, 3000).map(days)


@untimed
@given(weights, near, weights, near)
def test_rank_orders_as_the_weights_at_any_one_moment_do(weight, seen, other_weight, other_seen):
    one, other = state("a", weight=weight, last_seen=seen), state("b", weight=other_weight, last_seen=other_seen)
    for moment in (max(seen, other_seen), days(4000)):
        now, other_now = one.weight_at(moment), other.weight_at(moment)
        if now != pytest.approx(other_now, rel=1e-6):
            assert (one.rank > other.rank) == (now > other_now)


@untimed
@given(st.floats(5e-324, 1e300), st.datetimes(timezones=st.just(UTC)))
def test_rank_has_the_sign_of_the_weight_at_every_size_and_date(weight, seen):
    assert state("a", weight=weight, last_seen=seen).rank > 0
    assert state("a", weight=-weight, last_seen=seen).rank < 0
