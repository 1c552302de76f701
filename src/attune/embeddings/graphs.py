"""Passes of small batches on a GPU, recorded once and replayed: starting their kernels takes longer than they run."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch
from torch import Tensor

from attune.embeddings.packing import PackedBatch

Compute = Callable[[PackedBatch], Tensor]
Record = Callable[[Callable[[], Tensor]], tuple[Callable[[], None], Tensor]]
"""Records what a function computes: how to repeat it on the same memory, and where the result then is."""

_LARGEST = 512
"""Rows; reasoned, not measured: with more, the kernels take longer than their start."""
_KEPT = 128
_WARM_UP = 3  # passes before a recording, in which libraries choose their kernels


@dataclass(frozen=True)
class _Recording:
    batch: PackedBatch
    replay: Callable[[], None]
    result: Tensor

    def of(self, batch: PackedBatch) -> Tensor:
        for ours, given in zip(self.batch.tensors(), batch.tensors(), strict=True):
            ours.copy_(given)
        self.replay()
        return self.result.clone()


class RecordedPasses:
    """Computes batches; those of a shape that comes a second time are recorded, the last `kept` shapes of them."""

    def __init__(self, compute: Compute, record: Record, *, largest: int = _LARGEST, kept: int = _KEPT) -> None:
        self._compute = compute
        self._record = record
        self._largest = largest
        self._kept = kept
        self._recordings: OrderedDict[Hashable, _Recording | None] = OrderedDict()

    def __call__(self, batch: PackedBatch) -> Tensor:
        """The vectors of a batch on the GPU."""
        if len(batch.token_ids) > self._largest:
            return self._compute(batch)
        shape = batch.shape()
        seen = shape in self._recordings
        recording = self._recordings.pop(shape, None)
        if recording is None and seen:
            recording = self._recorded(batch)
        self._remember(shape, recording)
        return self._compute(batch) if recording is None else recording.of(batch)

    def forget(self) -> None:
        """Record anew what comes: the weights have changed."""
        self._recordings.clear()

    def _recorded(self, batch: PackedBatch) -> _Recording:
        own = batch.map(torch.clone)
        replay, result = self._record(lambda: self._compute(own))
        return _Recording(own, replay, result)

    def _remember(self, shape: Hashable, recording: _Recording | None) -> None:
        self._recordings[shape] = recording
        if len(self._recordings) > self._kept:
            self._recordings.popitem(last=False)


def record_on_gpu(compute: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    """`compute` as a CUDA graph."""
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(_WARM_UP):
            compute()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = compute()
    return graph.replay, result
