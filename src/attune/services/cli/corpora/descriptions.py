"""A sentence for each entity, taken from a document that names it."""

import re
from collections.abc import Sequence

from attune.services.cli.corpora.cooccurrence import NameFinder
from attune.services.cli.corpora.model import CorpusDocument
from attune.services.cli.corpora.tokens import MAX_CHARACTERS, tokenize

_MAX_DESCRIPTION = 300
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def describe(
    finder: NameFinder, documents: Sequence[CorpusDocument], mentions: Sequence[Sequence[str]]
) -> dict[str, str]:
    """For each id that a document mentions: the first sentence, of the first such document, that names it."""
    found: dict[str, str] = {}
    for document, ids in zip(documents, mentions, strict=True):
        wanted = set(ids) - found.keys()
        if not wanted:
            continue
        # Longer than what mentions are looked for in, so that the last sentence is whole.
        text = document.text[: MAX_CHARACTERS + _MAX_DESCRIPTION]
        for sentence in (*_SENTENCE_END.split(text), document.title):
            if wanted := wanted - found.keys():
                found |= dict.fromkeys(wanted.intersection(finder.find(tokenize(sentence))), sentence)
    return {entity_id: _shortened(sentence) for entity_id, sentence in found.items()}


def _shortened(sentence: str) -> str:
    sentence = " ".join(sentence.split())
    if len(sentence) <= _MAX_DESCRIPTION:
        return sentence
    return f"{sentence[: _MAX_DESCRIPTION - 2].rsplit(maxsplit=1)[0]} …"
