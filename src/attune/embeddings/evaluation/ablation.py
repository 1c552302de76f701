"""What an augmenter's queries are worth without its head: LexSemBridge's published code does not save it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.domains import Domain, LoadedAugmenter
from attune.embeddings.embedder import Embedder, Prepared
from attune.embeddings.items import EmbedItem, Role


def without_head(
    embedder: Embedder, domain: Domain, augmenter: LoadedAugmenter, texts: Sequence[str]
) -> NDArray[np.float32]:
    """Queries to vectors [n, d] by the augmenter's tower, or where it has none, by the domain's expert.

    Raises `TextError` for a text that has no tokens.
    """
    bare = replace(domain, expert=augmenter.tower or domain.expert)
    items = [EmbedItem(text, domain.id, Role.QUERY, augmentation=Augmentation.NONE) for text in texts]
    ready: list[Prepared] = []
    for each in embedder.prepare(items):
        if not isinstance(each, Prepared):
            raise each
        ready.append(replace(each, domain=bare))
    return embedder.compute(ready)[0]
