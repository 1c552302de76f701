"""Which tokens moved a query's vector, and by how much."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from attune.embeddings.augmentation.augmenter import Augmenter
from attune.embeddings.augmentation.kinds import Influence
from attune.embeddings.bags import Bags

_TOLD = 32
"""Of a query with more tokens, the weightiest."""


def influences(augmenter: Augmenter, vector: Tensor, bags: Bags, token: Callable[[int], str]) -> list[Influence]:
    """What each of a query's tokens did to its `vector` [1, d], the most moving first; `bags` is of that query alone.

    `token` writes an id. A token's influence is what would be otherwise without it, the others as they are.
    """
    whole = augmenter.change(vector, bags)
    order = torch.argsort(bags.shares, descending=True)[:_TOLD].tolist()
    found = [
        Influence(token(number), weight, moved(whole, augmenter.change(vector, bags.without(number))))
        for number, weight in ((int(bags.ids[place]), float(bags.shares[place])) for place in order)
        if weight > 0
    ]
    return sorted(found, key=lambda each: -each.moved)


def moved(before: Tensor, after: Tensor) -> float:
    """1 - cosine, of two vectors [1, d]."""
    return max(0.0, 1 - float(functional.cosine_similarity(before.double(), after.double())))
