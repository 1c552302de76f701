import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attune.embeddings.items import EmbedItem
from attune.embeddings.lanes import Job, Lane, LaneQueue, Request, estimate_tokens

costs = st.lists(st.integers(1, 40), max_size=20)


@pytest.fixture(scope="module")
def future():
    loop = asyncio.new_event_loop()
    yield loop.create_future()
    loop.close()


def jobs(future, lane: Lane, costs: list[int]) -> list[Job]:
    request = Request(lane, None, 0.0, future, [None] * len(costs))
    return [Job(request, index, EmbedItem(f"{lane} {index}"), cost) for index, cost in enumerate(costs)]


def filled(future, interactive: list[int], bulk: list[int]) -> LaneQueue:
    queue = LaneQueue()
    queue.extend(Lane.INTERACTIVE, jobs(future, Lane.INTERACTIVE, interactive))
    queue.extend(Lane.BULK, jobs(future, Lane.BULK, bulk))
    return queue


def everyone(_job: Job) -> bool:
    return True


def lanes(batch: list[Job]) -> list[Lane]:
    return [job.request.lane for job in batch]


@settings(deadline=None)
@given(costs, costs, st.integers(1, 64))
def test_everything_comes_out_once_and_in_order(future, interactive, bulk, budget):
    queue = filled(future, interactive, bulk)
    taken: dict[Lane, list[int]] = {lane: [] for lane in Lane}
    while batch := queue.take(budget, everyone):
        for job in batch:
            taken[job.request.lane].append(job.index)
    assert taken == {Lane.INTERACTIVE: list(range(len(interactive))), Lane.BULK: list(range(len(bulk)))}
    assert (len(queue), queue.tokens(Lane.INTERACTIVE), queue.tokens(Lane.BULK)) == (0, 0, 0)


@settings(deadline=None)
@given(costs, costs, st.integers(1, 64))
def test_a_batch_exceeds_its_budget_by_no_more_than_each_lanes_first_text(future, interactive, bulk, budget):
    queue = filled(future, interactive, bulk)
    while batch := queue.take(budget, everyone):
        firsts = {job.request.lane: job.cost for job in reversed(batch)}
        assert sum(job.cost for job in batch) <= budget + sum(firsts.values())


@settings(deadline=None)
@given(costs.filter(bool), costs.filter(bool), st.integers(1, 64))
def test_no_lane_starves(future, interactive, bulk, budget):
    queue = filled(future, interactive, bulk)
    while queue.tokens(Lane.INTERACTIVE) and queue.tokens(Lane.BULK):
        assert set(lanes(queue.take(budget, everyone))) == set(Lane)


def test_requests_of_a_lane_take_turns(future):
    queue = LaneQueue()
    large, small, last = (jobs(future, Lane.INTERACTIVE, costs) for costs in ([1] * 20, [1, 1], [1]))
    for each in (large, small, last):
        queue.extend(Lane.INTERACTIVE, each)
    assert queue.take(6, everyone) == [large[0], small[0], last[0], large[1], small[1], large[2]]
    assert queue.take(2, everyone) == [large[3], large[4]]


@settings(deadline=None)
@given(st.lists(costs.filter(bool), max_size=6), costs.filter(bool), st.integers(0, 20))
def test_no_more_than_what_is_ahead_is_computed_before_a_request(future, before, costs, taken):
    queue = LaneQueue()
    for each in before:
        queue.extend(Lane.BULK, jobs(future, Lane.BULK, each))
    for _ in range(taken):
        queue.take(1, everyone)
    ahead = queue.ahead_of(Lane.BULK, len(costs))
    assert ahead <= queue.tokens(Lane.BULK)
    own = jobs(future, Lane.BULK, costs)
    queue.extend(Lane.BULK, own)
    computed = 0
    while (job := queue.take(1, everyone)[0]) is not own[-1]:
        computed += job.cost
    assert computed <= ahead + sum(costs)
    queue.drain()
    assert (len(queue), queue.tokens(Lane.BULK), queue.ahead_of(Lane.BULK, 3)) == (0, 0, 0)


def test_one_text_has_little_ahead_of_it_behind_a_large_request(future):
    queue = filled(future, [10] * 1000, [])
    assert queue.ahead_of(Lane.INTERACTIVE, 1) == 10
    assert queue.ahead_of(Lane.INTERACTIVE, 5000) == 10_000


def test_interactive_texts_go_first(future):
    assert lanes(filled(future, [1, 1], [1, 1]).take(100, everyone)) == [*[Lane.INTERACTIVE] * 2, *[Lane.BULK] * 2]


def test_waiting_bulk_texts_get_a_quarter_of_the_batch(future):
    batch = filled(future, [1] * 20, [1] * 20).take(8, everyone)
    assert lanes(batch) == [*[Lane.INTERACTIVE] * 6, *[Lane.BULK] * 2]


def test_either_lane_alone_gets_the_whole_batch(future):
    assert len(filled(future, [1] * 20, []).take(8, everyone)) == 8
    assert len(filled(future, [], [1] * 20).take(8, everyone)) == 8


def test_a_text_larger_than_the_batch_goes_by_itself(future):
    queue = filled(future, [50, 1], [])
    assert [job.index for job in queue.take(8, everyone)] == [0]
    assert [job.index for job in queue.take(8, everyone)] == [1]


def test_dead_texts_take_no_room_and_are_gone(future):
    queue = filled(future, [5] * 10, [5] * 2)
    batch = queue.take(15, lambda job: job.index >= 7)
    assert [(job.request.lane, job.index) for job in batch] == [(Lane.INTERACTIVE, 7), (Lane.INTERACTIVE, 8)]
    assert (len(queue), queue.tokens(Lane.INTERACTIVE), queue.tokens(Lane.BULK)) == (1, 5, 0)


def test_a_queue_of_dead_texts_is_emptied(future):
    queue = filled(future, [5] * 10, [5] * 2)
    assert queue.take(5, lambda _job: False) == []
    assert len(queue) == 0


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("a", 3), ("four", 3), ("fives", 4), ("x" * 256, 64), ("x" * 400, 64), ("x" * (256 + 5 * 512), 69), ("", 2)],
)
def test_tokens_are_estimated_from_the_length(text, tokens):
    assert estimate_tokens(text, 64) == tokens


@pytest.mark.parametrize("count", [3, 30])
def test_what_nobody_waits_for_leaves_the_lane(count):
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    queue, gone, kept = (
        LaneQueue(),
        jobs(future, Lane.BULK, [2] * count),
        jobs(future, Lane.BULK, [5]),
    )
    for each in (gone, kept):
        queue.extend(Lane.BULK, each)
    queue.take(2, everyone)
    queue.drop(gone[0].request)
    queue.drop(gone[0].request)  # again changes nothing
    assert (len(queue), queue.tokens(Lane.BULK), queue.ahead_of(Lane.BULK, 99)) == (1, 5, 5)
    assert queue.take(100, everyone) == kept
    loop.close()
