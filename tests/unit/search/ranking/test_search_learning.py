"""Learning from clicks of users who look at the first places most: what is true comes back, where counting fails."""

import numpy as np
import pytest
from tests.unit.search.simulated_clicks import DRAWN, World, by, looking, weights

from attune.events.v1.events_pb2 import EVENT_TYPE_CLICK, EVENT_TYPE_FEEDBACK, EVENT_TYPE_IMPRESSION, InteractionEvent
from attune.services.search.ranking.errors import RankerError
from attune.services.search.ranking.features import FEATURES, NAMES
from attune.services.search.ranking.model import SearchRanker
from attune.services.search.ranking.position_bias import NO_BIAS, PositionBias, estimate
from attune.services.search.ranking.shown import lists_of
from attune.services.search.ranking.token import Token
from attune.services.search.ranking.training import MOST_WEIGHT, fit

TRUTH = weights(plain=0.5, dense=1.5, bm25=0.5, personal=1.0, personal_via=-1.0)
WRONG = by(weights(plain=1.0, personal_via=3.0))
"""A ranking that puts first what is right the least."""
PLACES = [1, 2, 3, 4, 5, 7, 10]
LOOKING = [looking(place) for place in PLACES]


def likeness(ranker: SearchRanker) -> float:
    """The cosine of what was learned and what is true, for one unit of each feature that candidates differ in.

    Of others the ranker believes what the formula does.
    """
    learned, truth = (ranker.weights / ranker.scales)[:DRAWN], TRUTH[:DRAWN]
    return float(learned @ truth / np.linalg.norm(learned) / np.linalg.norm(truth))


@pytest.mark.parametrize("seed", range(2))
def test_with_the_correction_the_truth_comes_back_where_counting_clicks_learns_the_old_ranking(seed: int) -> None:
    lists = lists_of(World(TRUTH, seed).shown(1500, WRONG)).lists
    bias = estimate(lists)
    assert bias.method == "features"
    assert bias.theta(PLACES) == pytest.approx(LOOKING, rel=0.25)
    corrected, naive = fit(lists, bias), fit(lists, NO_BIAS)
    assert likeness(corrected) > 0.95
    assert likeness(naive) < likeness(corrected) - 0.1
    via = NAMES.index("personal_via")
    assert naive.weights[via] > -0.1 > corrected.weights[via]


@pytest.mark.parametrize("seed", [0])
def test_interleaving_tells_where_users_look_even_of_what_no_feature_tells(seed: int) -> None:
    """The logging rankings know what is relevant beyond the features, so that these alone see too steep a fall."""
    world = World(TRUTH, seed, hidden=2.0, seldom=-1.0)
    events = world.interleaved(2000, by(TRUTH, hidden=1.0), by(weights(dense=1.0), hidden=2.0), chances=True)
    lists = lists_of(events).lists
    bias = estimate(lists)
    assert bias.method == "interleaving"
    blind = [
        type(each)(each.user, each.session, [bare(token) for token in each.tokens], each.chosen, each.rejected)
        for each in lists
    ]
    by_features = estimate(blind)
    assert by_features.method == "features"
    errors = [np.abs(np.log(found.theta(PLACES[:4])) - np.log(LOOKING[:4])).max() for found in (bias, by_features)]
    assert errors[0] < 0.22 < errors[1]


def bare(token: Token) -> Token:
    return Token(token.position, token.values, token.first)


def hit(position: int, values: list[float]) -> str:
    padded = np.array(values + [0.0] * (len(FEATURES) - len(values)), np.float32)
    return Token(position, padded, "00000000").encoded()


def happened(kind: int, position: int, user: str = "ada", query: str = "q", **attributes: str) -> InteractionEvent:
    token = {"search_token": hit(position, [1.0 / position])}
    return InteractionEvent(
        tenant_id="acme",
        user_id=user,
        query_id=query,
        type=kind,
        object_id="d",
        attributes=token | attributes,  # type: ignore[arg-type]
    )


def test_events_become_lists_and_what_teaches_nothing_is_counted() -> None:
    events = [
        happened(EVENT_TYPE_IMPRESSION, 2),
        happened(EVENT_TYPE_IMPRESSION, 1),
        happened(EVENT_TYPE_CLICK, 2),
        happened(EVENT_TYPE_CLICK, 2),
        happened(EVENT_TYPE_CLICK, 3),
        happened(EVENT_TYPE_FEEDBACK, 3, verdict="irrelevant"),
        happened(EVENT_TYPE_FEEDBACK, 4, verdict="relevant"),
        happened(EVENT_TYPE_CLICK, 1, user="bea"),
        happened(EVENT_TYPE_CLICK, 1, query=""),
        happened(EVENT_TYPE_CLICK, 1, search_token="broken"),
        happened(EVENT_TYPE_CLICK, 1, query="other", origin="simulated"),
        InteractionEvent(user_id="ada", query_id="q", type=EVENT_TYPE_FEEDBACK, attributes={"verdict": "relevant"}),
    ]
    read = lists_of(events)
    ada, bea = read.lists
    assert [token.position for token in ada.tokens] == [1, 2, 3, 4]
    assert (ada.chosen, ada.rejected) == ([False, True, False, True], [False, False, True, False])
    assert (bea.user, bea.chosen) == ("bea", [True])
    assert (read.skipped, read.without_list, read.simulated) == (1, 1, 1)
    assert len(lists_of(events, simulated=True).lists) == 3


def test_what_was_rejected_teaches_too() -> None:
    events = [
        event
        for number in range(40)
        for event in (
            happened(EVENT_TYPE_IMPRESSION, 2, query=str(number)),
            happened(EVENT_TYPE_FEEDBACK, 1, query=str(number), verdict="irrelevant"),
        )
    ]
    learned = fit(lists_of(events).lists, NO_BIAS)
    assert learned.weights[0] == 0, "more of plain is never worse, whatever was rejected"
    assert learned.weights[1:] == pytest.approx(fit(lists_of(events[:2]).lists, NO_BIAS).weights[1:])


def test_what_the_log_tells_nothing_of_stays_as_in_the_formula() -> None:
    learned = fit(lists_of([happened(EVENT_TYPE_IMPRESSION, 1), happened(EVENT_TYPE_CLICK, 2)]).lists, NO_BIAS)
    assert dict(zip(NAMES, learned.weights / learned.scales, strict=True))["personal"] == pytest.approx(5.0)


def test_nothing_to_learn_from_is_said() -> None:
    with pytest.raises(RankerError, match="no hit was clicked"):
        fit(lists_of([happened(EVENT_TYPE_IMPRESSION, 1), happened(EVENT_TYPE_IMPRESSION, 2)]).lists, NO_BIAS)


def test_no_click_counts_more_than_the_bound() -> None:
    deep = PositionBias(np.full(len(NO_BIAS.log_theta), -50.0), "features")
    lists = lists_of([happened(EVENT_TYPE_IMPRESSION, 1), happened(EVENT_TYPE_CLICK, 2)]).lists
    bounded = PositionBias(np.full(len(NO_BIAS.log_theta), -np.log(MOST_WEIGHT)), "features")
    assert list(fit(lists, deep).weights) == list(fit(lists, bounded).weights)
