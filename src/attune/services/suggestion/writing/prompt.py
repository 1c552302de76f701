"""The prompt: the user's entities with explicit priorities, beside query, session and page (METHODS 3, K-LaMP)."""

import json

from attune.services.suggestion.known import KnownEntity, Situation
from attune.services.suggestion.reasons import TO_MODEL, reason
from attune.services.suggestion.writing.template import PromptStyle, Template

PAGE_CHARACTERS = 1200
"""The model sees no more of the page."""
_OTHER_CHARACTERS = 400
"""Of a title, a query, a label; the summary may have twice as many."""
_ENTITIES = 12
_SESSION = 8


def build_prompt(template: Template, situation: Situation, limit: int) -> str:
    """The template with this situation's values. Values are JSON strings, so that none of them ends its own line."""
    describe = _named if template.style is PromptStyle.COMPLETION else _told
    return template.filled(
        {
            "query": _quoted(situation.query[:_OTHER_CHARACTERS]),
            "session": _quoted([each[:_OTHER_CHARACTERS] for each in situation.previous_queries[-_SESSION:]]),
            "page_title": _quoted(situation.page_title[:_OTHER_CHARACTERS]),
            "page_text": _quoted(situation.page_text[:PAGE_CHARACTERS]),
            "entities": _quoted([describe(entity, weight) for entity, weight in by_priority(situation)]),
            "summary": _quoted(situation.summary[: 2 * _OTHER_CHARACTERS]),
            "limit": limit,
        }
    )


def by_priority(situation: Situation) -> list[tuple[KnownEntity, float]]:
    """The entities that the prompt names, the highest priority (1) first."""
    highest = max((entity.score for entity in situation.entities), default=0.0)
    if highest <= 0:
        return [(entity, 0.0) for entity in situation.entities[:_ENTITIES]]
    weighed = [(entity, max(0.0, entity.score) / highest) for entity in situation.entities]
    return sorted(weighed, key=lambda pair: (-pair[1], pair[0].entity_id))[:_ENTITIES]


def label_of(entity: KnownEntity) -> str:
    """Its name in the prompt."""
    return entity.label[:_OTHER_CHARACTERS]


def _told(entity: KnownEntity, priority: float) -> dict[str, str | float]:
    return {
        "entity": label_of(entity),
        "priority": round(priority, 2),
        "known": entity.mode.value,
        "why": reason(entity, TO_MODEL)[:_OTHER_CHARACTERS],
    }


def _named(entity: KnownEntity, priority: float) -> dict[str, str | float]:
    """Shorter, for small models, which lose the thread."""
    return {"entity": label_of(entity), "priority": round(priority, 2)}


def _quoted(value: object) -> str:
    """As JSON, in which no line ends: the separators that Python's json leaves alone are escaped too."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(_escaped(each) if each in _LINE_ENDS else each for each in text)


_LINE_ENDS = "\x7f\x85\u2028\u2029"


def _escaped(character: str) -> str:
    return f"\\u{ord(character):04x}"
