import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attune.embeddings.workers.cores import Cores

counts = st.integers(1, 64)
tokens = st.integers(1, 10_000)


def test_a_short_text_gets_one_core_and_a_long_one_all():
    cores = Cores(4, alone_tokens=100)
    assert [cores.threads(size, texts=1, computing=1) for size in (99, 100)] == [1, 4]


@pytest.mark.parametrize(("texts", "computing"), [(2, 1), (1, 2)])
def test_texts_beside_others_get_one_core(texts, computing):
    assert Cores(4, alone_tokens=100).threads(1000, texts, computing) == 1


def test_nothing_small_begins_beside_another_batch():
    cores = Cores(2, alone_tokens=100)
    assert cores.may_start(1, 0)
    assert not cores.may_start(99, 1)
    assert cores.may_start(100, 1)


@given(counts, tokens, st.integers(0, 63))
def test_shares_of_the_free_cores_cover_what_is_ready(count, ready, computing):
    cores = Cores(count, alone_tokens=64)
    free = max(1, count - computing)
    assert cores.share(ready, computing) * free >= ready


@pytest.mark.parametrize("wanted", [1, 2])
def test_the_number_holds_for_the_calling_thread(wanted):
    before = torch.get_num_threads()
    seen = []

    def compute() -> None:
        Cores.use(wanted)
        seen.append(torch.get_num_threads())

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    Cores.use(before)
    assert seen == [wanted]
