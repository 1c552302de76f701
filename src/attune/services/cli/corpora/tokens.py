"""Texts as lower-case words, with None where a phrase cannot continue: at punctuation and numbers."""

import re

from attune.services.cli.corpora.model import CorpusDocument

MAX_CHARACTERS = 1000  # of a document; titles and first sentences name its topics
_TOKEN = re.compile(r"[^\W\d_][^\W_]*(?:['\u2019-][^\W_]+)*|[^\s_]")
_POSSESSIVE = re.compile(r"(?<=\w)['\u2019]s\b")  # what follows is the owner's, and no part of the name

Tokens = list[str | None]
Span = tuple[str | None, ...]  # of tokens; a phrase has no None in it


def tokenize(text: str) -> Tokens:
    """Words of two letters or more, possessives without their 's; everything else breaks the text into pieces."""
    return [token if len(token) > 1 else None for token in _TOKEN.findall(_POSSESSIVE.sub(" ' ", text.lower()))]


def document_tokens(document: CorpusDocument) -> Tokens:
    """Title and text, up to MAX_CHARACTERS; a text that repeats the title counts once."""
    title, text = document.title.strip(), document.text.strip()
    whole = text if text.lower().startswith(title.lower()) else f"{title}\n.\n{text}"
    return tokenize(whole[:MAX_CHARACTERS])
