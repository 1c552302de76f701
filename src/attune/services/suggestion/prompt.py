"""The prompt: the user's entities with explicit priorities, beside query, session and page (METHODS 3, K-LaMP)."""

import json
from importlib.resources import files

from attune.services.suggestion.known import KnownEntity, Situation

_PAGE_CHARACTERS = 1200
_ENTITIES = 12


def load_template(name: str = "next_queries.v1.txt") -> str:
    """A prompt template of this package."""
    return files("attune.services.suggestion").joinpath("prompts", name).read_text(encoding="utf-8")


def build_prompt(template: str, situation: Situation, limit: int) -> str:
    """The template with this situation's values. Values are JSON strings, so that none of them ends its own line."""
    return template.format(
        query=_quoted(situation.query),
        session=json.dumps(list(situation.previous_queries), ensure_ascii=False),
        page_title=_quoted(situation.page_title),
        page_text=_quoted(situation.page_text[:_PAGE_CHARACTERS]),
        entities=json.dumps([_entity(each) for each in _by_priority(situation)], ensure_ascii=False),
        limit=limit,
    )


def _by_priority(situation: Situation) -> list[tuple[KnownEntity, float]]:
    highest = max((entity.score for entity in situation.entities), default=0.0)
    if highest <= 0:
        return [(entity, 0.0) for entity in situation.entities[:_ENTITIES]]
    weighed = [(entity, max(0.0, entity.score) / highest) for entity in situation.entities]
    return sorted(weighed, key=lambda pair: (-pair[1], pair[0].entity_id))[:_ENTITIES]


def _entity(weighed: tuple[KnownEntity, float]) -> dict[str, str | float]:
    entity, priority = weighed
    return {"entity": entity.label, "priority": round(priority, 2), "known": entity.mode.value}


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
