"""The heads that a domain's texts allow: axes of its own, of its pairs, and each of them with its words."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from attune.embeddings.axes import Axes
from attune.embeddings.heads import Head
from attune.embeddings.training.frozen import Embed, Tokenize
from attune.embeddings.training.tasks import TypicalTexts
from attune.embeddings.words import Words

_MOST_TEXTS = 4000
_FEWEST_PAIRS = 20


def fitted_heads(
    embed: Embed, tokenize: Tokenize, vocabulary: int, texts: TypicalTexts
) -> Iterator[tuple[str, Head, Embed]]:
    """Each head by its name, the cheapest first, with what it makes of the vectors of `embed`."""
    words = _words(embed, tokenize, vocabulary, texts)
    for name, known in (("axes", None), ("words", words)):
        described = embed if known is None else _changed(embed, tokenize, known)
        for of, axes in _axes(described, texts):
            head = Head(axes, known)
            yield f"{name}{of}", head, _changed(embed, tokenize, head)


def _changed(embed: Embed, tokenize: Tokenize, change: Head | Words) -> Embed:
    def changed(given: Sequence[str]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = change(torch.from_numpy(embed(given)), tokenize(given)).numpy()
        return found

    return changed


def _words(embed: Embed, tokenize: Tokenize, vocabulary: int, texts: TypicalTexts) -> Words:
    sides = [side for pair in texts.pairs for side in (pair.a, pair.b)]
    read = list(dict.fromkeys([*texts.passages, *sides]))[:_MOST_TEXTS]
    return Words.fitted(embed(read), tokenize(read), vocabulary)


def _axes(embed: Embed, texts: TypicalTexts) -> Iterator[tuple[str, Axes]]:
    yield "", Axes.fitted(embed(texts.passages), embed(texts.queries))
    if len(texts.pairs) >= _FEWEST_PAIRS:
        firsts, seconds = (embed(side) for side in zip(*((pair.a, pair.b) for pair in texts.pairs), strict=True))
        yield "_of_pairs", Axes.of_pairs(firsts, seconds)
