"""Document frequencies of words and of 2- and 3-word phrases, in passes, each of which only looks at what the previous
one found frequent (the Apriori principle, Agrawal and Srikant, VLDB 1994): a phrase is no more frequent than its parts.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from attune.services.cli.corpora.tokens import Tokens
from attune.services.cli.corpora.wordlists import DETERMINERS, STOP_WORDS, VERB_SIGNS, WEAK_MODIFIERS

Phrase = tuple[str, ...]

JOINING_WORDS = frozenset({"of"})  # stop words that a phrase may have inside
_PREPOSITIONS = frozenset({"of", "in", "for", "on", "with", "by", "between"})
_NOUN_SIGNS = DETERMINERS | _PREPOSITIONS


@dataclass(frozen=True, slots=True)
class PhraseCounts:
    """Documents by phrase of 1 to 3 words: those that have it, and those where it is complete, that is, where no
    content word follows. Occurrences by word: all, and those at the end of a phrase right after a determiner or
    preposition (as nouns stand) or after a pronoun, modal or auxiliary or before an object (as verbs stand); of
    those of nouns, the bare ones, without a determiner (as names and mass nouns stand).
    """

    documents: int
    document_frequency: Counter[Phrase]
    complete_frequency: Counter[Phrase]
    term_frequency: Counter[str]
    noun_ends: Counter[str]
    bare_ends: Counter[str]
    verb_ends: Counter[str]


def count_phrases(texts: Sequence[Tokens], least: int) -> PhraseCounts:
    """Counts of the phrases that at least `least` texts contain."""
    term_frequency: Counter[str] = Counter()
    word_frequency: Counter[str] = Counter()
    for tokens in texts:
        words = [token for token in tokens if token and token not in STOP_WORDS]
        term_frequency.update(words)
        word_frequency.update(set(words))
    frequent = {word for word, count in word_frequency.items() if count >= least}
    pairs = _at_least(least, Counter(pair for tokens in texts for pair in _pairs(tokens, frequent)))
    triples = _at_least(least, Counter(t for tokens in texts for t in _triples(tokens, frequent, pairs)))
    phrases: Counter[Phrase] = Counter({(word,): word_frequency[word] for word in frequent})
    phrases.update(pairs)
    phrases.update(triples)
    complete = Counter(phrase for tokens in texts for phrase in _complete(tokens, phrases))
    return PhraseCounts(len(texts), phrases, complete, term_frequency, *_count_signs(texts, frequent))


def _at_least(least: int, counts: Counter[Phrase]) -> Counter[Phrase]:
    return Counter({phrase: count for phrase, count in counts.items() if count >= least})


def _pairs(tokens: Tokens, frequent: set[str]) -> set[Phrase]:
    return {
        (first, second)
        for first, second in pairwise(tokens)
        if first in frequent and second in frequent and first not in WEAK_MODIFIERS
    }


def _triples(tokens: Tokens, frequent: set[str], pairs: Counter[Phrase]) -> set[Phrase]:
    return {
        (first, middle, last)
        for first, middle, last in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if first
        and middle
        and last in frequent
        and (
            ((first, middle) in pairs and (middle, last) in pairs)
            or (middle in JOINING_WORDS and first in frequent and first not in WEAK_MODIFIERS)
        )
    }


def _ends(tokens: Tokens) -> Iterator[int]:
    """Positions of the content words that no content word follows."""
    for at, (word, after) in enumerate(zip(tokens, [*tokens[1:], None], strict=False)):
        if word and word not in STOP_WORDS and (after is None or after in STOP_WORDS):
            yield at


def _complete(tokens: Tokens, phrases: Counter[Phrase]) -> set[Phrase]:
    words = [token or "" for token in tokens]
    spans = (tuple(words[max(0, at + 1 - length) : at + 1]) for at in _ends(tokens) for length in (1, 2, 3))
    return {span for span in spans if span in phrases}


def _count_signs(texts: Iterable[Tokens], frequent: set[str]) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Counts of noun, bare noun and verb ends."""
    determined: Counter[str] = Counter()
    bare: Counter[str] = Counter()
    verbs: Counter[str] = Counter()
    for tokens in texts:
        for at in _ends(tokens):
            word, before = tokens[at], tokens[at - 1] if at else None
            if word in frequent and (before in VERB_SIGNS or _has_an_object(tokens, at)):
                verbs[word] += 1
            elif word in frequent and before in _NOUN_SIGNS:
                (determined if before in DETERMINERS else bare)[word] += 1
    return determined + bare, bare, verbs


def _has_an_object(tokens: Tokens, at: int) -> bool:
    """Whether a word is a verb for what follows it: "in reading the book"."""
    return str(tokens[at]).endswith("ing") and at + 1 < len(tokens) and tokens[at + 1] in DETERMINERS
