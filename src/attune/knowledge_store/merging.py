"""Entities with their merges applied: what was merged lends its names and links to what it was merged into."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from attune.knowledge_store.model import Entity, Link
from attune.knowledge_store.redirects import Redirects


def merge_entities(entities: Mapping[str, Entity], redirects: Redirects) -> dict[str, Entity]:
    """The entities that are left, in the order given; links lead to the entities that their targets were merged into.

    The label and description of the target stay, where it has one; the other labels become aliases. A link between
    entities that are one now is gone, and so is a second link of the same relation and target.
    """
    if not redirects:
        return dict(entities)
    merged: dict[str, list[Entity]] = {}
    for merged_id, end in redirects:
        if merged_id in entities:
            merged.setdefault(end, []).append(entities[merged_id])
    return {
        entity.id: _merged(entity, merged.get(entity.id, ()), redirects)
        for entity in entities.values()
        if entity.id not in redirects
    }


def _merged(entity: Entity, others: Iterable[Entity], redirects: Redirects) -> Entity:
    aliases, links, description = list(entity.aliases), list(entity.links), entity.description
    for other in others:
        aliases += (other.label, *other.aliases)
        links += other.links
        description = description or other.description
    if len(links) == len(entity.links) and not any(link.target in redirects for link in links):
        links_ = entity.links
    else:
        ends = (Link(link.relation, redirects.resolve(link.target)) for link in links)
        links_ = tuple(dict.fromkeys(link for link in ends if link.target != entity.id))
    if not others:
        return entity if links_ is entity.links else replace(entity, links=links_)
    names = dict.fromkeys(alias for alias in aliases if alias != entity.label)
    return replace(entity, aliases=tuple(names), description=description, links=links_)
