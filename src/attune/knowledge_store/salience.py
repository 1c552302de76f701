"""What a document is about: from the mentions in its title and text to a short list of entities.

raw(e) = log2(1 + mentions in the text) + TITLE if the title names it + WHOLE_TITLE if the title is its name; what e is
part of gets CONTAINER_SHARE of raw(e), halved at each further step outwards. Salience is raw, divided by the largest.
(Ours.)
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.model import LinkedEntity

TITLE = 3.0
WHOLE_TITLE = 6.0
CONTAINER_SHARE = 0.3
_MOST_ENTITIES = 12


class Named(Protocol):
    """The part of a mention that salience needs."""

    @property
    def entity_id(self) -> str: ...

    @property
    def surface(self) -> str: ...


def document_salience(
    title: str, in_title: Sequence[Named], in_text: Iterable[Named], graph: CatalogGraph
) -> list[LinkedEntity]:
    """At most 12 entities, the most salient (1.0) first, ties by id."""
    frequency = Counter(mention.entity_id for mention in in_text)
    raw = {entity_id: math.log2(1 + count) for entity_id, count in frequency.items()}
    for entity_id in {mention.entity_id for mention in in_title}:
        raw[entity_id] = raw.get(entity_id, 0.0) + TITLE
    for mention in in_title:
        if mention.surface == title.strip():
            raw[mention.entity_id] += WHOLE_TITLE
    return _most_salient(_with_containers(raw, graph))


def _with_containers(raw: dict[str, float], graph: CatalogGraph) -> dict[str, float]:
    result = dict(raw)
    for entity_id, score in raw.items():
        for steps, container in enumerate(graph.containers(entity_id)):
            result[container] = max(result.get(container, 0.0), score * CONTAINER_SHARE * 0.5**steps)
    return result


def _most_salient(raw: dict[str, float]) -> list[LinkedEntity]:
    if not raw:
        return []
    largest = max(raw.values())
    ordered = sorted(raw.items(), key=lambda item: (-item[1], item[0]))[:_MOST_ENTITIES]
    return [LinkedEntity(entity_id, score / largest) for entity_id, score in ordered]
