"""From one interaction to what it says that the user read, or said of themselves.

| kind | what it notes |
|---|---|
| click, view | the document is read |
| dwell | it is read; of less than 5 s, it is rejected: the user turned away |
| feedback on a result | it is read (attribute "verdict": relevant) or rejected (irrelevant) |
| statement | the statement; with the verdict irrelevant, it is taken back |
| all others | nothing: a query is not an opinion, and what the system shows teaches it nothing |

A statement that holds personal data, as personal_data.py finds it, is not kept, nor one that is too long: a part of it
might say the opposite.
"""

from collections.abc import Sequence

from attune.knowledge_store.history import MOST_ENTITIES, MOST_ID_CHARACTERS, MOST_STATEMENT_CHARACTERS, Noted
from attune.knowledge_store.model import EventKind, Interaction, LinkedEntity
from attune.knowledge_store.normalization import normalize_name
from attune.knowledge_store.personal_data import personal_data
from attune.knowledge_store.redirects import Redirects
from attune.knowledge_store.summarizing import plain

TURNED_AWAY_MS = 5000
_RESULT = {"", "result"}
"""Stages of feedback on a document itself."""
_REJECTS = {"relevant": False, "irrelevant": True}


def noted_reading(
    interaction: Interaction, document_entities: Sequence[LinkedEntity], redirects: Redirects
) -> Noted | None:
    """The document of the event, which is about these entities, the most salient first; None where it notes none."""
    object_id = interaction.object_id
    is_rejected = _rejects(interaction)
    if is_rejected is None or not object_id or len(object_id) > MOST_ID_CHARACTERS:
        return None
    return _noted(object_id, interaction, is_rejected, [each.entity_id for each in document_entities], redirects)


def noted_statement(interaction: Interaction, entity_ids: Sequence[str], redirects: Redirects) -> Noted | None:
    """The statement of the event, which names these entities; None where it must not be kept."""
    text = plain(interaction.user_query)
    if not text or len(text) > MOST_STATEMENT_CHARACTERS or personal_data(normalize_name(text)):
        return None
    is_taken_back = interaction.attributes.get("verdict") == "irrelevant"
    return _noted(text, interaction, is_taken_back, entity_ids, redirects)


def _rejects(interaction: Interaction) -> bool | None:
    """None where the event says nothing of its document."""
    match interaction.kind:
        case EventKind.CLICK | EventKind.VIEW:
            return False
        case EventKind.DWELL:
            return (interaction.dwell_ms or 0) < TURNED_AWAY_MS
        case EventKind.FEEDBACK if interaction.attributes.get("stage", "") in _RESULT:
            return _REJECTS.get(interaction.attributes.get("verdict", ""))
        case _:
            return None


def _noted(
    text: str, interaction: Interaction, is_rejected: bool, entity_ids: Sequence[str], redirects: Redirects
) -> Noted:
    about = tuple(dict.fromkeys(entity_ids))[:MOST_ENTITIES]
    others = tuple(other for each in about for other in redirects.other_ids(each)) if redirects else ()
    return Noted(text, interaction.occurred_at, is_rejected, about, others)
