"""What a query and its session are about: their entities, found once."""

from collections.abc import Sequence
from dataclasses import dataclass

from attune.knowledge.v1.context_pb2 import Context
from attune.knowledge_store.linking import Linker, Mention

_TURN_CHARACTERS = 4000


@dataclass(frozen=True, slots=True)
class LinkedContext:
    """The entities of a query and of the turns before it, and how much of the query they cover."""

    entity_ids: tuple[str, ...]
    query_entity_ids: tuple[str, ...]
    query_coverage: float
    is_empty: bool
    """There was nothing to link at all, as opposed to nothing found."""


def link_context(linker: Linker, query: str, context: Context) -> LinkedContext:
    """Link the query in the light of the last turn's title, and the turns themselves."""
    last_title = context.turns[-1].title if context.turns else ""
    mentions = linker.link(query, context=last_title)
    texts = [f"{turn.query}\n{turn.title}\n{turn.text[:_TURN_CHARACTERS]}" for turn in context.turns]
    found = [*mentions, *(mention for text in texts for mention in linker.link(text))]
    return LinkedContext(
        entity_ids=tuple(dict.fromkeys(mention.entity_id for mention in found)),
        query_entity_ids=tuple(dict.fromkeys(mention.entity_id for mention in mentions)),
        query_coverage=_coverage(query, mentions),
        is_empty=not query.strip() and not texts,
    )


def _coverage(query: str, mentions: Sequence[Mention]) -> float:
    length = len(query.strip())
    return min(1.0, sum(each.end - each.start for each in mentions) / length) if length else 0.0
