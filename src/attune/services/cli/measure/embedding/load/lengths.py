"""How long the texts of a load are."""

import random
from collections.abc import Sequence

from attune.services.cli.measure.embedding.plan import Load

_QUERY, _PASSAGE = 8, 128
_ZIPF = range(4, 257)


def lengths_of(load: Load, count: int, seed: int) -> list[int]:
    """The lengths of `count` texts in tokens, special tokens included; the same for the same seed."""
    match load:
        case Load.Q8:
            return [_QUERY] * count
        case Load.P128:
            return [_PASSAGE] * count
        case Load.ZIPF:
            return _zipf(count, random.Random(seed))  # noqa: S311 - nothing secret


def _zipf(count: int, generator: random.Random) -> list[int]:
    """Zipf's law (1949) with exponent 1: the n-th shortest length has a weight of 1/n."""
    weights = [1 / rank for rank in range(1, len(_ZIPF) + 1)]
    return generator.choices(_ZIPF, weights, k=count)


def texts_of(lengths: Sequence[int], words: Sequence[str], special_tokens: int, seed: int) -> list[str]:
    """Distinct texts of those lengths, from words of one token each; the same for the same seed.

    Distinct, so that no cache can help. `special_tokens` is how many the tokenizer adds to each text.
    """
    generator = random.Random(seed)  # noqa: S311 - nothing secret
    texts: dict[str, None] = {}
    for length in lengths:
        text = _text(generator, words, length - special_tokens)
        while text in texts:
            text = _text(generator, words, length - special_tokens)
        texts[text] = None
    return list(texts)


def _text(generator: random.Random, words: Sequence[str], count: int) -> str:
    return " ".join(generator.choices(words, k=count))
