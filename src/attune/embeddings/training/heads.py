"""The heads that a domain's texts allow: axes of its own, of its pairs, and each of them with its words."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from attune.embeddings.axes import Axes
from attune.embeddings.heads import Head
from attune.embeddings.training.frozen import Embed, Tokenize
from attune.embeddings.training.tasks import TypicalTexts
from attune.embeddings.words import Words

_MOST_TEXTS = 4000
_FEWEST_PAIRS = 10


@dataclass(frozen=True)
class Reader:
    """What is known of a text before heads: its vector, and tokens of a `vocabulary`; `silent` ones tell nothing."""

    embed: Embed
    tokenize: Tokenize
    vocabulary: int
    silent: Collection[int] = ()

    def through(self, change: Head | Words) -> Embed:
        """The vectors as a head, or words alone, make them."""

        def changed(given: Sequence[str]) -> NDArray[np.float32]:
            found: NDArray[np.float32] = change(torch.from_numpy(self.embed(given)), self.tokenize(given)).numpy()
            return found

        return changed


def fitted_heads(reader: Reader, texts: TypicalTexts) -> dict[str, Head]:
    """The heads by their names, the cheapest first."""
    found = {f"axes{of}": Head(axes) for of, axes in _axes(reader.embed, texts).items()}
    words = _words(reader, texts)
    if words is not None:
        found |= {f"words{of}": Head(axes, words) for of, axes in _axes(reader.through(words), texts).items()}
    return found


def _words(reader: Reader, texts: TypicalTexts) -> Words | None:
    sides = [side for pair in texts.pairs for side in (pair.a, pair.b)]
    read = list(dict.fromkeys([*texts.passages, *sides]))[:_MOST_TEXTS]
    return Words.fitted(reader.embed(read), reader.tokenize(read), reader.vocabulary, reader.silent)


def _axes(embed: Embed, texts: TypicalTexts) -> dict[str, Axes]:
    found = {"": Axes.fitted(embed(texts.passages), embed(texts.queries))}
    if len(texts.pairs) >= _FEWEST_PAIRS:
        firsts, seconds = (embed(side) for side in zip(*((pair.a, pair.b) for pair in texts.pairs), strict=True))
        found["_of_pairs"] = Axes.of_pairs(firsts, seconds)
    return found
