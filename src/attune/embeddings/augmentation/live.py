"""The augmenters of a running embedder, known by numbers as experts are."""

import threading
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attune.embeddings.augmentation.augmenter import Augmenter
from attune.embeddings.augmentation.explaining import influences, moved
from attune.embeddings.items import Augmented


class LiveAugmenters:
    """Augmenters by their numbers; texts may be augmented while others are added or removed."""

    def __init__(self) -> None:
        self._augmenters: dict[int, Augmenter] = {}
        self._next = 1
        self._changing = threading.Lock()

    def add(self, augmenter: Augmenter) -> int:
        """The number of a new augmenter."""
        with self._changing:
            number = self._next
            self._next += 1
            self._augmenters[number] = augmenter
        return number

    def remove(self, number: int) -> None:
        """Forget an augmenter; no query may ask for it any more."""
        self._augmenters.pop(number, None)

    def augment(
        self,
        number: int,
        vectors: NDArray[np.float32],
        sequences: Sequence[Sequence[int]],
        hidden: Sequence[Tensor] = (),
    ) -> NDArray[np.float32]:
        """The vectors [n, d] of n token sequences, changed; `hidden` is as in `Augmenter.weigh`."""
        augmenter = self._augmenters[number]
        bags = augmenter.weigh(sequences, hidden)
        result: NDArray[np.float32] = augmenter.change(torch.from_numpy(vectors), bags).numpy()
        return result

    @torch.inference_mode()
    def explain(
        self,
        number: int,
        vector: NDArray[np.float32],
        sequence: Sequence[int],
        hidden: Sequence[Tensor],
        token: Callable[[int], str],
    ) -> Augmented:
        """What `augment` does to one query's vector [d], token by token."""
        augmenter, before = self._augmenters[number], torch.from_numpy(vector[None])
        bags = augmenter.weigh([sequence], hidden)
        found = influences(augmenter, before, bags, token)
        return Augmented(augmenter.kind, True, moved(before, augmenter.change(before, bags)), tuple(found))
