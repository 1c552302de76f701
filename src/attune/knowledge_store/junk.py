"""Which entities of a user no judge would call the user's, by rules that need no judge.

| rule | holds for an entity of a user |
|---|---|
| orphaned | whose id the catalog does not have |
| common_word | with a name that is one common English word (common_words.txt) |
| stop_word | with a name of stop words alone (Lucene's English list, which bm25s has too) |
| short | with a name of one or two characters |
| number_or_date | with a name that is a number or a date alone |
| faint | seen once, with a weight under 0.1 either way (a rejection is none), as of then |

A name is compared as the linker compares it (normalization.py). Which names count is the caller's to say: the label,
and the alias that was read where that is known. Rules are no judgement: most entities that are junk to a reader are
ordinary names that meant something else, and no rule here sees those.
"""

import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import lru_cache

from attune.knowledge_store.common_words import common_words
from attune.knowledge_store.model import EntityState
from attune.knowledge_store.normalization import normalize_name

FAINT = 0.1
_SHORT = 2
_STOP_WORDS = frozenset(
    (  # noqa: SIM905 - as it is read
        "a an and are as at be but by for if in into is it no not of on or such that the their then there these they"
        " this to was will with"
    ).split()
)
_MONTH = "jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sept?(ember)?|oct(ober)?|nov(ember)?"
_NUMBER = r"[-+$€£#]?\d[\d.,:/-]*(%|st|nd|rd|th|s)?"
_NUMBER_OR_DATE = re.compile(rf"({_MONTH}|dec(ember)?|(mon|tues|wednes|thurs|fri|satur|sun)day|{_NUMBER})[.,]?")


class Rule(StrEnum):
    """Why an entity is junk."""

    ORPHANED = "orphaned"
    COMMON_WORD = "common_word"
    STOP_WORD = "stop_word"
    SHORT = "short"
    NUMBER_OR_DATE = "number_or_date"
    FAINT = "faint"


RULES: Mapping[Rule, str] = {
    Rule.ORPHANED: "the catalog does not have the id",
    Rule.COMMON_WORD: "a name is one common English word",
    Rule.STOP_WORD: "a name is stop words alone",
    Rule.SHORT: "a name has one or two characters",
    Rule.NUMBER_OR_DATE: "a name is a number or a date alone",
    Rule.FAINT: f"seen once, with a weight under {FAINT}",
}


def junk_of_names(names: Collection[str]) -> set[Rule]:
    """The rules that any of the names falls under."""
    return {rule for name in names for rule in _of_name(normalize_name(name))}


def is_faint(state: EntityState) -> bool:
    """Whether the rule `faint` holds."""
    return state.count == 1 and abs(state.weight) < FAINT


@lru_cache(maxsize=1 << 16)
def _of_name(name: str) -> frozenset[Rule]:
    words = name.split()
    found = {
        Rule.COMMON_WORD: len(words) == 1 and name in common_words(),
        Rule.STOP_WORD: bool(words) and all(word in _STOP_WORDS for word in words),
        Rule.SHORT: len(name) <= _SHORT,
        Rule.NUMBER_OR_DATE: bool(words) and all(_NUMBER_OR_DATE.fullmatch(word) for word in words),
    }
    return frozenset(rule for rule, holds in found.items() if holds)
