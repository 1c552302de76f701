"""Recorded passes, with a recorder that computes again on the CPU: what is replayed on a GPU was not run."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from attune.embeddings.attention import tiles_in
from attune.embeddings.config import read_model_config
from attune.embeddings.encoder import Encoder
from attune.embeddings.graphs import RecordedPasses
from attune.embeddings.packing import PackedBatch, pack
from attune.embeddings.precision import Precision

SAME_SHAPE = [[[3, 4, 5], [6, 7]], [[9, 8, 7], [5, 4]], [[1, 1, 2], [2, 2]]]


class Recorder:
    """Repeats what was computed, into the memory of the first result, as a GPU does."""

    def __init__(self) -> None:
        self.recordings = 0
        self.replays = 0

    def __call__(self, compute: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        self.recordings += 1
        result = compute()

        def replay() -> None:
            self.replays += 1
            result.copy_(compute())

        return replay, result


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def encoder(shared_tiny_model) -> Encoder:
    config = read_model_config(shared_tiny_model)
    return Encoder.load(shared_tiny_model, config, Precision(torch.float32, "asked for by a test"))


@pytest.fixture
def recording(shared_tiny_model, recorder) -> Encoder:
    config = read_model_config(shared_tiny_model)
    made = Encoder.load(shared_tiny_model, config, Precision(torch.float32, "asked for by a test"))
    made._recorded = RecordedPasses(made._encode_batch, recorder)
    return made


def total(batch: PackedBatch) -> Tensor:
    return batch.token_ids.sum()[None].float()


def packed(*lengths: int, token: int = 1) -> PackedBatch:
    return next(iter(pack([[token] * length for length in lengths], 4096, tiles_in(torch.float32))))


def test_replayed_passes_give_the_vectors_of_computed_ones(encoder, recording, recorder):
    for _ in range(2):
        for sequences in [*SAME_SHAPE, [[5] * 33, [6] * 20, [7]], [[4]]]:
            assert np.allclose(recording.encode(sequences), encoder.encode(sequences), atol=1e-6)
    assert recorder.recordings == 3
    assert recorder.replays == 2 + 3 + 1 + 1


def test_a_result_is_not_overwritten_by_the_next_one(recorder):
    passes = RecordedPasses(total, recorder)
    first, second, third = (passes(packed(4, token=token)) for token in (1, 2, 3))
    assert [float(each) for each in (first, second, third)] == [4, 8, 12]


def test_a_shape_is_recorded_when_it_comes_the_second_time(recorder):
    passes = RecordedPasses(total, recorder)
    passes(packed(4))
    assert recorder.recordings == 0
    passes(packed(4))
    passes(packed(4))
    assert recorder.recordings == 1


def test_large_batches_are_computed(recorder):
    passes = RecordedPasses(total, recorder, largest=64)
    for _ in range(3):
        passes(packed(65))
    assert recorder.recordings == 0


def test_shapes_that_have_not_come_for_long_are_forgotten(recorder):
    passes = RecordedPasses(total, recorder, kept=2)
    for length in (1, 1, 2, 1, 3, 1, 2, 2):
        passes(packed(length))
    assert recorder.recordings == 2  # of 1, which always came again in time, and of 2, after it was forgotten once


def test_changed_weights_are_recorded_anew(recorder):
    passes = RecordedPasses(total, recorder)
    for _ in range(2):
        passes(packed(4))
    passes.forget()
    for _ in range(2):
        passes(packed(4))
    assert recorder.recordings == 2


@pytest.mark.parametrize(
    ("one", "other"), [((4,), (5,)), ((4, 4), (8,)), ((3, 5), (4, 4)), ((2, 6), (8,)), ((4,), (4, 4))]
)
def test_batches_of_other_lengths_have_other_shapes(one, other):
    assert packed(*one).shape() == packed(*one, token=9).shape()
    assert packed(*one).shape() != packed(*other).shape()


def test_batches_of_other_experts_have_other_shapes():
    one, other = (
        next(iter(pack([[1, 2]] * 2, 64, tiles_in(torch.float32), experts))).routed() for experts in ([0, 1], [0, 2])
    )
    assert one.shape() != other.shape()
    assert len(one.tensors()) == len(other.tensors()) == len(packed(2, 2).tensors()) + 2
