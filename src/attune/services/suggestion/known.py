"""What suggestions are made from: the user's entities in this context, as the knowledge service tells them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from unicodedata import category

from attune.knowledge_store.retrieval import Mode

_JOINERS = "\u200c\u200d"
_LOOSE_JOINERS = re.compile(rf"(?<!\S)[{_JOINERS}]+|(?<![{_JOINERS}])[{_JOINERS}]+(?!\S)")


class Source(IntEnum):
    """Where a suggestion or completion comes from that no language model wrote. Tokens have the numbers."""

    OTHER_USERS = 2
    ENTITY = 3
    DOCUMENT = 4


@dataclass(frozen=True, slots=True)
class KnownEntity:
    """An entity of the context or of the user."""

    entity_id: str
    label: str
    mode: Mode
    """How it relates to the user."""
    score: float
    """Higher is more; comparable within one mode of one answer."""
    count: int = 0
    """How often the user met it; 0 where that is not told."""
    last_seen: datetime | None = None
    via_label: str = ""
    """What the user knows next to it; empty where that may not be told."""
    via_users: int = 0
    """How many users care about both, where nothing but that says that they are close."""
    first_seen: datetime | None = None
    aliases: Sequence[str] = ()
    """Its other names, where they were asked for: to know it by, not to show."""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a suggestion may be drawn from."""

    query: str
    previous_queries: Sequence[str]
    """Of this session, oldest first."""
    page_title: str
    page_text: str
    entities: Sequence[KnownEntity]
    titles: Sequence[str]
    """Titles of documents that answer the query, the best first."""
    own: Sequence[KnownEntity] = ()
    """What the user knows, whether or not it has to do with this context."""
    summary: str = ""
    """The user in a few words, for a language model; empty where there is none, or it may not be used."""

    @property
    def is_blank(self) -> bool:
        """Whether nobody has said anything, and nothing is known of the user."""
        said = (self.query, *self.previous_queries, self.page_title, self.page_text, self.summary)
        return not (any(text.strip() for text in said) or self.entities or self.own or self.titles)


def visible(text: str) -> str:
    """Without control and format characters, such as marks of direction. White space stays, and so do joiners inside
    words: those of Persian and Indic scripts, and emoji, have them.
    """
    if text.isprintable():
        return text
    kept = (each for each in text if each.isspace() or each in _JOINERS or category(each) not in {"Cc", "Cf"})
    return _LOOSE_JOINERS.sub("", "".join(kept))


def normalised(text: str) -> str:
    """What is visible, case-folded, with single spaces: two suggestions that agree in this are the same."""
    return " ".join(visible(text).casefold().split())
