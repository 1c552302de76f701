"""What a query and its session are about: their entities, found once."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

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
    """Link the query together with what was asked and clicked just before, and each turn's texts together."""
    before = [part for turn in context.turns[-1:] for part in (turn.query, turn.title)]
    mentions = linker.link_together((query, *before))[0]
    turns = [linker.link_together((each.query, each.title, each.text[:_TURN_CHARACTERS])) for each in context.turns]
    found = chain(mentions, *(part for parts in turns for part in parts))
    return LinkedContext(
        entity_ids=tuple(dict.fromkeys(mention.entity_id for mention in found)),
        query_entity_ids=tuple(dict.fromkeys(mention.entity_id for mention in mentions)),
        query_coverage=_coverage(query, mentions),
        is_empty=not query.strip() and not turns,
    )


def _coverage(query: str, mentions: Sequence[Mention]) -> float:
    length = len(query.strip())
    return min(1.0, sum(each.end - each.start for each in mentions) / length) if length else 0.0
