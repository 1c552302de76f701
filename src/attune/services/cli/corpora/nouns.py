"""Which n-grams look like noun phrases, and which are the plural of another."""

from collections.abc import Iterable

from attune.services.cli.corpora.phrase_counts import Phrase, PhraseCounts
from attune.services.cli.corpora.wordlists import (
    GENERIC_WORDS,
    NON_NOUN_ENDINGS,
    NOUNS_DESPITE_ENDING,
    WEAK_MODIFIERS,
)

_MIN_NOUN_SHARE = 0.03  # of a noun's occurrences are noun-like ones
_MIN_NOUN_RATIO = 0.7  # of its noun-like and verb-like ones
_MIN_COMPLETE = (
    0.4  # of the documents with a phrase have it complete: "heart" and "american heart" fail, and adjectives
)
_MIN_BARE = 0.6  # of a single word's noun-like occurrences have no determiner
_MIN_PROSE = 0.02  # noun-like places among all words: below, the corpus is lists or code, and nothing can be learnt
_MIN_WORD = 3


class NounTest:
    """Says whether a phrase looks like a noun phrase, from where it and its words stand in the corpus (ours)."""

    def __init__(self, counts: PhraseCounts) -> None:
        self._counts = counts
        self._is_prose = counts.noun_ends.total() >= _MIN_PROSE * max(1, counts.term_frequency.total())

    def __call__(self, phrase: Phrase) -> bool:
        if not (_is_well_formed(phrase) and self._is_complete(phrase) and self._can_be_head(phrase[-1])):
            return False
        return len(phrase) > 1 or self._says_enough_alone(phrase[0])

    def _is_complete(self, phrase: Phrase) -> bool:
        frequency, complete = self._counts.document_frequency[phrase], self._counts.complete_frequency[phrase]
        return complete >= _MIN_COMPLETE * frequency or not self._is_prose

    def _can_be_head(self, word: str) -> bool:
        nouns, verbs = self._counts.noun_ends[word], self._counts.verb_ends[word]
        if not self._is_prose or nouns + verbs == 0:
            return True
        share = nouns / self._counts.term_frequency[word]
        return share >= _MIN_NOUN_SHARE and nouns >= _MIN_NOUN_RATIO * (nouns + verbs)

    def _says_enough_alone(self, word: str) -> bool:
        """Whether a word is used as names and mass nouns are, "in France": "the night" and "his wife" are no topics.

        Capital letters would tell names too, but some corpora are all in capitals or have none.
        """
        bare, nouns = self._counts.bare_ends[word], self._counts.noun_ends[word]
        return not self._is_prose or bare >= max(1, _MIN_BARE * nouns)


def _is_well_formed(phrase: Phrase) -> bool:
    first, last = phrase[0], phrase[-1]
    if last in GENERIC_WORDS or first in WEAK_MODIFIERS or last in WEAK_MODIFIERS:
        return False
    if len(set(phrase)) < len(phrase) or any(len(word) < _MIN_WORD and word != "of" for word in phrase):
        return False
    if len(phrase) > 1 and all(word in GENERIC_WORDS for word in phrase[:-1] if word != "of"):
        return False
    return not last.endswith(NON_NOUN_ENDINGS) or last in NOUNS_DESPITE_ENDING


def merge_plurals(phrases: Iterable[Phrase]) -> dict[Phrase, list[Phrase]]:
    """Each phrase with its forms: itself, and those that differ in singular and plural only.

    The form that comes first in the list stands for all.
    """
    by_stem: dict[Phrase, list[Phrase]] = {}
    for phrase in phrases:
        by_stem.setdefault(tuple(map(singular, phrase)), []).append(phrase)
    return {forms[0]: forms for forms in by_stem.values()}


def singular(word: str) -> str:
    """A word without its plural ending, by three rules; good enough to compare words with each other."""
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
