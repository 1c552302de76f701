"""Entities for a corpus that has no catalog: its salient noun phrases, linked by occurring in the same documents.

No tagger: a phrase is 1 to 3 words that neither begin nor end in a stop word, whose last word stands where nouns stand;
a single word stands mostly without a determiner, too.
Phrases rank by C-value (Frantzi, Ananiadou and Mima, 2000; with log2(length + 1), so that single words count: Ventura
et al., 2014) over documents, times how well they hang together: normalised pointwise mutual information (Bouma, 2009)
for several words, residual inverse document frequency (Church and Gale, 1995) for one. The product, and the share of
single words, are ours.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice

from attune.services.cli.corpora.cooccurrence import NameFinder, npmi, related
from attune.services.cli.corpora.descriptions import describe
from attune.services.cli.corpora.model import CatalogEntity, CorpusDocument
from attune.services.cli.corpora.nouns import NounTest, merge_plurals
from attune.services.cli.corpora.phrase_counts import JOINING_WORDS, Phrase, PhraseCounts, count_phrases
from attune.services.cli.corpora.tokens import document_tokens

MAX_ENTITIES = 2000
_MAX_SHARE = 0.10  # of all documents: what more of them contain does not tell them apart
_SINGLE_WORDS = 0.30  # of the entities at most
_MAX_INSIDE_LONGER = 0.7  # of a phrase's documents may have it inside one and the same longer phrase
_MIN_COHESION = 0.2  # NPMI below which words only happen to stand side by side


def phrase_entities(documents: Sequence[CorpusDocument], most: int = MAX_ENTITIES) -> list[CatalogEntity]:
    """Up to `most` entities, the most salient first, each `related_to` up to five others. Deterministic."""
    texts = [document_tokens(document) for document in documents]
    counts = count_phrases(texts, least_documents(len(documents)))
    variants = merge_plurals(_salient_phrases(counts, most))
    finder = NameFinder({form: _id(phrase) for phrase, forms in variants.items() for form in forms})
    mentions = [finder.find(tokens) for tokens in texts]
    neighbours = related(mentions)
    descriptions = describe(finder, documents, mentions)
    return [
        CatalogEntity(
            id=_id(phrase),
            label=" ".join(phrase),
            aliases=tuple(" ".join(form) for form in forms if form != phrase),
            description=descriptions.get(_id(phrase), ""),
            links=tuple(("related_to", other) for other in neighbours.get(_id(phrase), ())),
        )
        for phrase, forms in variants.items()
    ]


def least_documents(documents: int) -> int:
    """How many documents a phrase has to be in: 2 in a small corpus, 3 from 300 on, one in 5,000 in a large one."""
    return max(2 if documents < 300 else 3, documents // 5000)


def _id(phrase: Phrase) -> str:
    return "_".join(phrase)


def _salient_phrases(counts: PhraseCounts, most: int) -> list[Phrase]:
    scores = _scores(counts)
    ranked = sorted(scores, key=lambda phrase: (-scores[phrase], phrase))
    singles = list(islice((phrase for phrase in ranked if len(phrase) == 1), int(most * _SINGLE_WORDS)))
    chosen = {*singles, *islice((phrase for phrase in ranked if len(phrase) > 1), most - len(singles))}
    return [phrase for phrase in ranked if phrase in chosen]


def _scores(counts: PhraseCounts) -> dict[Phrase, float]:
    candidates = _candidates(counts)
    longer: defaultdict[Phrase, list[int]] = defaultdict(list)
    for phrase, frequency in candidates.items():
        for part in _parts(phrase):
            longer[part].append(frequency)
    scores: dict[Phrase, float] = {}
    for phrase, frequency in candidates.items():
        around = longer.get(phrase, [0])
        c_value = math.log2(len(phrase) + 1) * (frequency - sum(around) / len(around))
        score = c_value * _tightness(phrase, counts)
        if score > 0 and max(around) < _MAX_INSIDE_LONGER * frequency:
            scores[phrase] = score
    return scores


def _candidates(counts: PhraseCounts) -> dict[Phrase, int]:
    is_noun_phrase = NounTest(counts)
    most = max(2, counts.documents * _MAX_SHARE)
    frequencies = counts.document_frequency.items()
    return {phrase: frequency for phrase, frequency in frequencies if frequency <= most and is_noun_phrase(phrase)}


def _parts(phrase: Phrase) -> Iterable[Phrase]:
    return {phrase[start:end] for start in range(len(phrase)) for end in range(start + 1, len(phrase) + 1)} - {phrase}


def _tightness(phrase: Phrase, counts: PhraseCounts) -> float:
    """0 for what is loose or evenly spread, more for what belongs together or clusters in few documents."""
    frequency = counts.document_frequency
    if len(phrase) == 1:
        return min(1.0, _residual_idf(frequency[phrase], counts.term_frequency[phrase[0]], counts.documents))
    cohesion = min(
        npmi(frequency[phrase], frequency[left], frequency[right], counts.documents) for left, right in _splits(phrase)
    )
    return cohesion if cohesion >= _MIN_COHESION else 0.0


def _splits(phrase: Phrase) -> list[tuple[Phrase, Phrase]]:
    if phrase[1] in JOINING_WORDS:
        return [(phrase[:1], phrase[2:])]
    return [(phrase[:at], phrase[at:]) for at in range(1, len(phrase))]


def _residual_idf(document_frequency: int, term_frequency: int, documents: int) -> float:
    """The idf observed minus that of a word that falls into documents at random (Poisson), in bits."""
    expected = -math.log2(1 - math.exp(-term_frequency / documents))
    return -math.log2(document_frequency / documents) - expected
