"""One slip of the finger in what was typed: a letter too few, too many, wrong, or two of them swapped.

The first letter is taken to be right. Letters are tried that come next in what many users ask, of whatever script.
"""

import re
from collections.abc import Iterator

from attune.services.suggestion.known import normalised
from attune.services.suggestion.queries.model import QueryStatistics

SHORTEST = 4
"""Of fewer letters nothing is corrected: everything is one letter away from them."""
_LOOKED_AT = 64


def corrected(typed: str, statistics: QueryStatistics) -> list[str]:
    """The prefixes one slip away from `typed` that queries begin with, those of more users first."""
    users = {
        variant: found[0].users
        for variant in set(_variants(typed, statistics))
        if (found := statistics.beginning(variant, 1))
    }
    return sorted(users, key=lambda variant: (-users[variant], variant))


def _variants(typed: str, statistics: QueryStatistics) -> Iterator[str]:
    for place in range(1, len(typed)):
        known = statistics.beginning(typed[:place], _LOOKED_AT)
        if not known:
            return  # the slip is further left
        yield from slips(typed, place, {normalised(each.text)[place : place + 1] for each in known} - {""})


def slips(typed: str, place: int, letters: set[str]) -> Iterator[str]:
    """`typed` without its letter at a place, with this and the next one swapped, with others in its stead or before."""
    head, tail = typed[:place], typed[place:]
    yield head + tail[1:]
    yield head + tail[1:2] + tail[:1] + tail[2:]
    for letter in letters:
        yield head + letter + tail[1:]
        yield head + letter + tail


def is_near(typed: str, text: str) -> bool:
    """Whether a word of a normalised text, with what follows, begins with something one slip away from `typed`."""
    return any(
        _begins_nearly(text[word.start() : word.start() + len(typed) + 1], typed) for word in _WORD.finditer(text)
    )


def _begins_nearly(text: str, typed: str) -> bool:
    if text[:1] != typed[:1]:
        return False
    place = next((each for each, pair in enumerate(zip(typed, text, strict=False)) if pair[0] != pair[1]), len(text))
    return any(text.startswith(each) for each in slips(typed, place, {text[place : place + 1]} - {""}))


_WORD = re.compile(r"(?<!\w)\w")
