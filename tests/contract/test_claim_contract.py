"""Of several workers, the one that claimed a partition last may write: on every engine alike."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.unit.knowledge_store.builders import ANNA, content, days, projected

from attune.knowledge_store.model import LogPosition
from attune.knowledge_store.store import FencedError
from attune.knowledge_store.store_model import Applied


def test_a_claim_says_where_to_read_on(store):
    first = store.claim("log", 0)
    store.apply([projected("1", "a")], LogPosition("log", 0, 7, epoch=first.epoch))
    others = [store.claim("log", 0), store.claim("log", 1), store.claim("other", 0)]
    assert [each.next_offset for each in (first, *others)] == [0, 7, 0, 0]
    assert len({each.epoch for each in (first, *others)}) == 4


def test_who_was_fenced_off_writes_nothing(store):
    slept = store.claim("log", 0)
    awake = store.claim("log", 0)
    before = content(store)
    with pytest.raises(FencedError, match="log/0 was claimed by another worker"):
        store.apply([projected("1", "a")], LogPosition("log", 0, 9, epoch=slept.epoch))
    assert content(store) == before
    assert store.position("log", 0) == 0
    assert store.apply([projected("1", "a")], LogPosition("log", 0, 9, epoch=awake.epoch)) == Applied(new=1)


def test_an_epoch_that_nobody_claimed_is_refused(store):
    with pytest.raises(FencedError):
        store.apply([], LogPosition("log", 0, 1, epoch=1))


def test_a_claim_and_a_batch_come_one_after_the_other(store):
    """Or two workers would apply the same stretch: the one that had it, and the one that has it now."""
    for round_ in range(20):
        held, target = store.claim("log", 0), 5 * (round_ + 1)
        together = threading.Barrier(2)
        with ThreadPoolExecutor(2) as pool:
            position = LogPosition("log", 0, target, epoch=held.epoch)
            applying = pool.submit(after, together, lambda: store.apply([projected(str(round_), "a")], position))  # noqa: B023
            claim = pool.submit(after, together, lambda: store.claim("log", 0)).result()
        was_fenced = isinstance(applying.exception(), FencedError)
        assert was_fenced or applying.exception() is None
        assert (claim.next_offset == target) != was_fenced
        store.apply([projected(str(round_), "a")], LogPosition("log", 0, target, epoch=claim.epoch))
    assert store.profile(ANNA).events == 20


def after(barrier: threading.Barrier, act: Callable[[], Any]) -> Any:
    barrier.wait(10)
    return act()


def test_claims_are_no_content(store, open_store):
    store.claim("log", 0)
    store.load([])
    other = open_store()
    other.apply([projected("1", "a", at=days(1))], LogPosition("log", 0, 3))
    kept = list(other.dump())
    store.load(kept)
    assert list(store.dump()) == kept
    assert store.entities(ANNA)
    assert store.claim("log", 0).next_offset == 3
