"""Entities from what authors said their documents are about: the keywords in a corpus's metadata."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from attune.services.cli.corpora.cooccurrence import NameFinder, related
from attune.services.cli.corpora.descriptions import describe
from attune.services.cli.corpora.model import CatalogEntity, CorpusDocument
from attune.services.cli.corpora.tokens import document_tokens, tokenize

MAX_ENTITIES = 5000
_MIN_DOCUMENTS = 2
_MAX_LABEL = 80  # characters; what is longer is a sentence that ended up in the field


def split_keywords(value: object) -> list[str]:
    """Keywords in a list of strings, or in one string between ; or | or else commas; none in any other type."""
    if isinstance(value, str):
        value = re.split(r"[;|]" if re.search(r"[;|]", value) else ",", value)
    if not isinstance(value, list):
        return []
    stripped = (" ".join(item.split()) for item in value if isinstance(item, str))
    return [item for item in stripped if item and len(item) <= _MAX_LABEL]


def keyword_entities(
    documents: Sequence[CorpusDocument], keywords: Sequence[Sequence[str]], most: int = MAX_ENTITIES
) -> list[CatalogEntity]:
    """An entity for each of the most frequent keywords, given for each document, that two documents or more have.

    Its id is the keyword in lower case, its label the commonest spelling; linked `related_to` keywords it goes with.
    """
    spellings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for labels in keywords:
        for label in dict.fromkeys(labels):
            spellings[label.lower()][label] += 1
    frequency = Counter({key: forms.total() for key, forms in spellings.items() if forms.total() >= _MIN_DOCUMENTS})
    kept = [key for key, _ in sorted(frequency.items(), key=lambda item: (-item[1], item[0]))[:most]]
    chosen = set(kept)
    neighbours = related([sorted({label.lower() for label in labels} & chosen) for labels in keywords])
    descriptions = _descriptions(kept, documents)
    return [
        CatalogEntity(
            id=key,
            label=_commonest(spellings[key]),
            description=descriptions.get(key, ""),
            links=tuple(("related_to", other) for other in neighbours.get(key, ())),
        )
        for key in kept
    ]


def _commonest(spellings: Mapping[str, int]) -> str:
    return min(spellings, key=lambda spelling: (-spellings[spelling], spelling))


def _descriptions(keys: Sequence[str], documents: Sequence[CorpusDocument]) -> dict[str, str]:
    finder = NameFinder({tuple(tokenize(key)): key for key in keys})
    return describe(finder, documents, [finder.find(document_tokens(document)) for document in documents])
