"""Which documents name which entities, and which entities keep each other company."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

from attune.services.cli.corpora.tokens import Span, Tokens

_MAX_RELATED = 5
_MIN_TOGETHER = 2  # documents; one document together is chance
_MAX_NAMED_IN_DOCUMENT = 60  # bounds the pairs of a document that lists everything


class NameFinder:
    """Finds names (tuples of lower-case words) in tokenized texts; `names` maps each to an id."""

    def __init__(self, names: Mapping[Span, str]) -> None:
        self._names = names
        self._lengths: dict[str | None, set[int]] = {}
        for name in filter(None, names):
            self._lengths.setdefault(name[0], set()).add(len(name))

    def find(self, tokens: Tokens) -> list[str]:
        """The ids named, sorted; a name inside a longer one counts too."""
        lengths, names = self._lengths, self._names
        starts = [(at, length) for at, token in enumerate(tokens) if token in lengths for length in lengths[token]]
        spans = (tuple(tokens[at : at + length]) for at, length in starts)
        return sorted({names[span] for span in spans if span in names})


def related(mentions: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """Up to five strongest companions of each id, by normalised pointwise mutual information over documents.

    NPMI = ln(p(a,b) / (p(a) p(b))) / -ln p(a,b) (Bouma, 2009); only pairs above 0 and in two documents or more.
    """
    single: Counter[str] = Counter()
    together: Counter[tuple[str, str]] = Counter()
    for ids in mentions:
        single.update(ids)
        together.update(combinations(ids[:_MAX_NAMED_IN_DOCUMENT], 2))
    scored: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
    for (one, other), count in together.items():
        strength = npmi(count, single[one], single[other], len(mentions))
        if count >= _MIN_TOGETHER and strength > 0:
            scored[one].append((-strength, other))
            scored[other].append((-strength, one))
    return {entity_id: [other for _, other in sorted(pairs)[:_MAX_RELATED]] for entity_id, pairs in scored.items()}


def npmi(together: float, one: float, other: float, documents: int) -> float:
    """Normalised pointwise mutual information from document counts, -1 to 1; 1 where all documents have both."""
    if together >= documents:
        return 1.0
    joint = together / documents
    return math.log(joint * documents * documents / (one * other)) / -math.log(joint)
