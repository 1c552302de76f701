"""What a store keeps beside records, as JSON: entities of documents, consents, summaries, companions."""

import json
from collections.abc import Sequence
from typing import Any

from attune.knowledge_store.codec import to_datetime, to_microseconds
from attune.knowledge_store.consent import Choice, Consents, Purpose
from attune.knowledge_store.model import Companion, LinkedEntity, Summary
from attune.knowledge_store.store import StoreError


def encode_linked(linked: Sequence[LinkedEntity]) -> str:
    """A document's entities."""
    return json.dumps([[entity.entity_id, entity.salience] for entity in linked])


def decode_linked(text: str) -> list[LinkedEntity]:
    """What was encoded."""
    return [LinkedEntity(entity_id, salience) for entity_id, salience in json.loads(text)]


def encode_companions(companions: Sequence[Companion]) -> str:
    """An entity's companions."""
    return json.dumps([[each.entity_id, each.users, each.strength] for each in companions], separators=(",", ":"))


def decode_companions(text: str) -> list[Companion]:
    """What was encoded."""
    return [Companion(*each) for each in json.loads(text)]


def encode_consents(consents: Consents) -> str:
    """A user's choices."""
    return json.dumps(consents_to_fields(consents))


def decode_consents(text: str) -> Consents:
    """What was encoded. Raises StoreError for a purpose that this version does not know, and for damaged text."""
    try:
        return consents_from_fields(json.loads(text))
    except (ValueError, TypeError) as error:
        raise StoreError(f"a user's consents cannot be read ({error}): upgrade attune, or restore a backup") from error


def consents_to_fields(consents: Consents) -> list[Any]:
    """Ready for JSON."""
    return [[to_microseconds(each.at), each.purpose.value, each.granted] for each in consents.choices]


def consents_from_fields(fields: list[Any]) -> Consents:
    """What became fields. Raises ValueError or TypeError for others."""
    return Consents.of(Choice(to_datetime(at), Purpose(purpose), bool(granted)) for at, purpose, granted in fields)


def encode_summary(summary: Summary) -> str:
    """A user's summary. ASCII, so that a lone surrogate in a label gets through."""
    return json.dumps(summary_to_fields(summary))


def decode_summary(text: str) -> Summary:
    """What was encoded."""
    return summary_from_fields(json.loads(text))


def summary_to_fields(summary: Summary) -> list[Any]:
    """Ready for JSON."""
    return [summary.text, summary.version, summary.events, to_microseconds(summary.made_at), summary.made_by]


def summary_from_fields(fields: list[Any]) -> Summary:
    """What became fields. Raises ValueError or TypeError for others."""
    text, version, events, made_at, made_by = fields
    return Summary(text, version, events, to_datetime(made_at), made_by)
