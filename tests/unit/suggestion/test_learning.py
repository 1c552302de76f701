"""Tokens, exploration, what events teach, and what they tell of a ranker that was not used."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attune.events.v1 import events_pb2 as pb
from attune.services.suggestion.ranking.errors import RankerError
from attune.services.suggestion.ranking.exploration import explored, placing
from attune.services.suggestion.ranking.features import FEATURES
from attune.services.suggestion.ranking.learning import lessons_of, lists_of
from attune.services.suggestion.ranking.model import RankerModel
from attune.services.suggestion.ranking.off_policy import Shown, estimates, is_explored
from attune.services.suggestion.ranking.token import Token

WIDTH = len(FEATURES)
HALF = arrays(np.float16, WIDTH, elements=st.floats(-100, 100, width=16, allow_subnormal=False))


def token(position: int, score: float = 0.0, propensity: float = 1.0) -> Token:
    values = np.zeros(WIDTH, np.float32)
    values[0] = score
    return Token(2, position, propensity, "0123abcd", values)


def model(weight: float) -> RankerModel:
    weights = np.zeros(WIDTH)
    weights[0] = weight
    return RankerModel(weights, np.zeros(WIDTH), np.ones(WIDTH))


def event(kind: pb.EventType.ValueType, given_token: str, query_id: str = "list") -> pb.InteractionEvent:
    return pb.InteractionEvent(
        user_id="ada", type=kind, query_id=query_id, attributes={"suggestion_token": given_token}
    )


@given(HALF, st.integers(1, 50), st.floats(2**-10, 1, width=32))
def test_a_token_comes_back_as_it_was(values: np.ndarray, position: int, propensity: float) -> None:
    made = Token(3, position, propensity, "0123abcd", values.astype(np.float32))
    read = Token.decoded(made.encoded())
    assert (read.source, read.position, read.propensity, read.version) == (3, position, propensity, "0123abcd")
    assert (read.values == values).all()


@given(st.text(max_size=200))
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(RankerError, match="suggestion_token"):
        Token.decoded(text)


def test_without_temperature_the_order_stays() -> None:
    assert explored(np.array([3.0, 2.0, 1.0]), 0, np.random.default_rng(0)) == ([0, 1, 2], [1.0, 1.0, 1.0])


def test_propensities_are_how_often_each_comes_to_its_place() -> None:
    found = placing(np.log([3.0, 1.0]), np.random.default_rng(0))
    assert found == pytest.approx(np.array([[0.75, 0.25], [0.25, 0.75]]), abs=0.04)


def test_only_what_was_accepted_teaches_and_only_against_what_stood_above() -> None:
    tokens = [token(place, score=place) for place in (1, 2, 3)]
    events = [event(pb.EVENT_TYPE_SUGGESTION_SHOWN, each.encoded()) for each in tokens]
    events.append(event(pb.EVENT_TYPE_SUGGESTION_ACCEPTED, tokens[1].encoded()))
    events.append(event(pb.EVENT_TYPE_SUGGESTION_SHOWN, tokens[0].encoded(), "of which nothing was accepted"))
    (lesson,) = lessons_of(lists_of(events).lists)
    assert lesson.values[:, 0].tolist() == [2, 1]
    assert lesson.chosen == 0


def test_tokens_of_other_versions_are_counted_and_passed_over() -> None:
    found = lists_of([event(pb.EVENT_TYPE_SUGGESTION_SHOWN, "bm9uZQ"), event(pb.EVENT_TYPE_QUERY, "")])
    assert (found.lists, found.skipped) == ((), 1)


def test_events_without_a_query_id_are_of_no_list() -> None:
    """Those of a user would all be one list, and what was accepted in one would count against what stood in another."""
    shown, accepted = (token(place, place).encoded() for place in (1, 2))
    events = [event(pb.EVENT_TYPE_SUGGESTION_SHOWN, shown, ""), event(pb.EVENT_TYPE_SUGGESTION_ACCEPTED, accepted, "")]
    found = lists_of(events)
    assert (found.lists, found.skipped, found.without_list) == ((), 0, 2)


def test_users_of_two_tenants_are_two_although_they_have_the_same_name() -> None:
    events = [event(pb.EVENT_TYPE_SUGGESTION_SHOWN, token(1, 1).encoded()) for _ in range(2)]
    events[1].tenant_id = "acme"
    assert [(each.tenant, each.user, len(each.tokens)) for each in lists_of(events).lists] == [
        ("", "ada", 1),
        ("acme", "ada", 1),
    ]


def test_without_exploration_the_same_ranker_is_worth_what_was_logged() -> None:
    shown = Shown("ada", [token(1, 2), token(2, 1)], [False, True])
    made, drawn = estimates([shown], model(1)), np.array([0])
    assert [made.ips(drawn), made.snips(drawn), made.replay(drawn), made.logged(drawn)] == [1, 1, 1, 1]
    assert estimates([shown], model(-1)).agreeing == 0


def test_what_no_agreeing_place_tells_of_is_unknown_and_not_nothing() -> None:
    lists = [Shown("ada", [token(1, 2), token(2, 1)], [False, True]), Shown("bo", [token(1, 0)], [True])]
    opposite = estimates(lists, model(-1))
    both, second = np.array([0, 1]), np.array([1])
    assert np.isnan([opposite.snips(both), opposite.ips(both), opposite.clipped(both)]).all()
    assert [opposite.snips(second), opposite.ips(second), opposite.replay(second)] == [1, 1, 1]
    assert opposite.known_places == pytest.approx(2 / 3)  # the first of either list: the second is never agreed on
    assert opposite.effective_lists == 0
    assert not is_explored(lists)


def test_the_effective_number_of_lists_is_less_than_all_where_weights_differ() -> None:
    lists = [Shown("ada", [token(1, 0, propensity)], [True]) for propensity in (1.0, 0.5)]
    made = estimates(lists, model(1))
    assert made.effective_lists == pytest.approx(3**2 / 5)
    assert made.known_places == 1
    assert is_explored(lists)


EXAMINED = np.array([0.9, 0.5, 0.25, 0.1])


def simulated(seed: int, count: int) -> tuple[list[Shown], float]:
    """Lists by a ranker that explores, clicks by position times relevance; and the worth of the opposite ranker."""
    random = np.random.default_rng(seed)
    shown, worth = [], 0.0
    for number in range(count):
        scores = np.sort(random.normal(size=4))[::-1]
        liked = 1 / (1 + np.exp(scores + random.normal(size=4)))
        order, propensities = explored(scores, 2.0, random)
        tokens = [token(at, scores[place], propensities[at - 1]) for at, place in enumerate(order, start=1)]
        shown.append(Shown(f"user {number % 50}", tokens, (random.random(4) < EXAMINED * liked[order]).tolist()))
        worth += float((EXAMINED * liked[::-1]).sum())
    return shown, worth / count


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000))
def test_estimates_converge_to_what_the_other_ranker_is_worth(seed: int) -> None:
    lists, worth = simulated(seed, 1500)
    made = estimates(lists, model(-1))
    random = np.random.default_rng(seed)
    resampled = [random.integers(len(lists), size=len(lists)) for _ in range(200)]
    for measure in (made.snips, made.ips):
        spread = float(np.std([measure(drawn) for drawn in resampled]))
        assert abs(measure(np.arange(len(lists))) - worth) < 4 * spread  # beyond which chance is one in 16,000
    logged = made.logged(np.arange(len(lists)))
    assert abs(logged - worth) > abs(made.snips(np.arange(len(lists))) - worth)  # and the log alone is further off
