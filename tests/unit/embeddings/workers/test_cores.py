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


def test_little_work_is_left_to_the_first_thread():
    cores = Cores(2, alone_tokens=100)
    assert not cores.worth_another(99)
    assert cores.worth_another(100)


@given(counts, tokens, st.integers(0, 63))
def test_shares_of_the_free_cores_cover_what_is_ready(count, ready, computing):
    cores = Cores(count, alone_tokens=64)
    free = max(1, count - computing)
    assert cores.share(ready, computing) * free >= ready


def test_each_thread_keeps_its_own_number():
    both_set = threading.Barrier(2)
    seen: dict[int, int] = {}

    def compute(wanted: int) -> None:
        Cores.use(wanted)
        both_set.wait(10)
        torch.ones(200, 200) @ torch.ones(200, 200)
        seen[wanted] = torch.get_num_threads()

    before = torch.get_num_threads()
    threads = [threading.Thread(target=compute, args=[wanted]) for wanted in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    Cores.use(before)
    assert seen == {1: 1, 2: 2}
