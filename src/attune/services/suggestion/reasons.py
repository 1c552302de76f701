"""Why an entity: how the user knows it, in words. From this user's store; of other users, only that they are many."""

from dataclasses import dataclass

from attune.knowledge_store.retrieval import Mode
from attune.services.suggestion.known import KnownEntity


@dataclass(frozen=True, slots=True)
class Wording:
    """How the modes are told, by templates of {label}, {times}, {when} and {via}, and {pause} behind that."""

    familiar: str
    lapsed: str
    neighbour: str
    of_others: str
    """A neighbour by nothing but the other users who care about both."""
    unfamiliar: str
    via: str
    """What the user knows, by its {label}."""
    via_something: str
    """The same where it may not be named."""


TO_USER = Wording(
    familiar="You came across {label}{times}{when}.",
    lapsed="You came across {label}{times}, but not lately{when}.",
    neighbour="{label} is close to {via}.",
    of_others="Others who care about {via}{pause} care about {label} too.",
    unfamiliar="{label} belongs to what you asked, and is new to you.",
    via="{label}, which you know",
    via_something="what you know",
)
"""A sentence for the user."""
TO_MODEL = Wording(
    familiar="met{times}{when}",
    lapsed="met{times}, but not lately{when}",
    neighbour="close to {via}",
    of_others="close to {via}",
    unfamiliar="new to the user",
    via="{label}, which the user knows",
    via_something="what the user knows",
)
"""A few words for a language model, which is told the label beside."""


def reason(entity: KnownEntity, wording: Wording) -> str:
    """Why this entity, in that wording."""
    times = {0: "", 1: " once"}.get(entity.count, f" {entity.count} times")
    when = f", last on {entity.last_seen:%-d %B %Y}" if entity.last_seen else ""
    via = wording.via.format(label=entity.via_label) if entity.via_label else wording.via_something
    pause = "," if entity.via_label else ""
    return _template(entity, wording).format(label=entity.label, times=times, when=when, via=via, pause=pause)


def _template(entity: KnownEntity, wording: Wording) -> str:
    match entity.mode:
        case Mode.FAMILIAR:
            return wording.familiar
        case Mode.LAPSED:
            return wording.lapsed
        case Mode.NEIGHBOUR:
            return wording.of_others if entity.via_users else wording.neighbour
        case Mode.UNFAMILIAR:
            return wording.unfamiliar
