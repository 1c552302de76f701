"""From one interaction to what it says about the user: the only way into a user's store.

| kind | source | weight |
|---|---|---|
| query, suggestion_accepted | the query's entities | 1 |
| reformulation | the query's entities | 0.5 |
| click | the document's entities | min(1 + log2(position) / 10, 1.5), times salience |
| view | the document's entities | 0.5, times salience |
| dwell | the document's entities | min(dwell, 60 s) / 60 s, times salience |
| feedback | the document's entities | 1 relevant, -1 irrelevant (attribute "verdict"), times salience |
| irrelevant feedback with entity_ids | these entities | -1, in equal shares |
| suggestion_removed | the suggestion's entities | -1, in equal shares |
| impression, suggestion_shown | none | the system's own output teaches it nothing |

The further down a clicked result was (1 is the first, and where none is told), the more the user looked for it: the
first is often clicked because it is the first (Joachims et al., "Accurately Interpreting Clickthrough Data", SIGIR
2005). The slope and the bound are ours.

Who removes a suggestion rejects something that it was about, and does not tell what: so its entities share the weight
that an accepted suggestion has. So it is with who says that a subject, or what a part of a query was taken for, is not
meant: the system had proposed it.
"""

import math
from collections.abc import Sequence

from attune.knowledge_store.model import EventKind, Interaction, LinkedEntity, Observation, Source

DWELL_SATURATION_MS = 60_000

_LARGEST_CLICK = 1.5
_QUERY_WEIGHTS = {EventKind.QUERY: 1.0, EventKind.SUGGESTION_ACCEPTED: 1.0, EventKind.REFORMULATION: 0.5}
_DOCUMENT_WEIGHTS = {EventKind.CLICK: 1.0, EventKind.VIEW: 0.5}
_VERDICTS = {"relevant": 1.0, "irrelevant": -1.0}
_REMOVED = -1.0


def project(
    interaction: Interaction,
    query_entities: Sequence[str],
    document_entities: Sequence[LinkedEntity],
    suggestion_entities: Sequence[str],
) -> list[Observation]:
    """Each entity at most once; its observation is dated `occurred_at`. Weights of zero are no observations."""
    query_weight = _QUERY_WEIGHTS.get(interaction.kind, 0.0)
    document_weight = _document_weight(interaction)
    if query_weight:
        weights = dict.fromkeys(query_entities, query_weight)
        return _observations(interaction, Source.QUERY, weights)
    if document_weight and not observes_suggestion(interaction):
        weights = {linked.entity_id: document_weight * linked.salience for linked in document_entities}
        return _observations(interaction, Source.DOCUMENT, weights)
    if observes_suggestion(interaction):
        rejected = set(suggestion_entities)
        weights = {entity_id: _REMOVED / len(rejected) for entity_id in suggestion_entities}
        return _observations(interaction, Source.SUGGESTION, weights)
    return []


def observes_query(kind: EventKind) -> bool:
    """Whether the entities of the query matter for this kind."""
    return kind in _QUERY_WEIGHTS


def observes_document(kind: EventKind) -> bool:
    """Whether the entities of the document matter for this kind."""
    return kind in _DOCUMENT_WEIGHTS or kind in {EventKind.DWELL, EventKind.FEEDBACK}


def observes_suggestion(interaction: Interaction) -> bool:
    """Whether the entities that the event names matter: those of a suggestion, or those that feedback is on."""
    if interaction.kind is EventKind.FEEDBACK:
        return bool(interaction.entity_ids) and interaction.attributes.get("verdict") == "irrelevant"
    return interaction.kind is EventKind.SUGGESTION_REMOVED


def _document_weight(interaction: Interaction) -> float:
    if interaction.kind is EventKind.DWELL:
        return min(interaction.dwell_ms or 0, DWELL_SATURATION_MS) / DWELL_SATURATION_MS
    if interaction.kind is EventKind.FEEDBACK:
        return _VERDICTS.get(interaction.attributes.get("verdict", ""), 0.0)
    weight = _DOCUMENT_WEIGHTS.get(interaction.kind, 0.0)
    if interaction.kind is EventKind.CLICK:
        return weight * min(1 + math.log2(max(1, interaction.position or 1)) / 10, _LARGEST_CLICK)
    return weight


def _observations(interaction: Interaction, source: Source, weights: dict[str, float]) -> list[Observation]:
    return [
        Observation(entity_id, interaction.kind, source, interaction.occurred_at, weight)
        for entity_id, weight in weights.items()
    ]
