"""What a linker must beat: choosing among a name's entities without reading the text."""

from collections.abc import Callable, Iterable, Mapping

from attune.knowledge_store.candidates import CandidateIndex, Use
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.normalization import normalize_name

Baseline = Callable[[str, bool], str | None]
"""Given a surface and whether case tells something in its text, the entity it is taken for; None for no candidate."""


def baselines(catalog: Catalog, index: CandidateIndex, popularity: Mapping[str, float]) -> dict[str, Baseline]:
    """By name:

    label        the most popular entity whose label is the surface
    popularity   the most popular entity with the surface as its label or one of its aliases
    popularity_of_candidates  the most popular of all candidates that the linker has, derived names included

    Popularity is the linker's own (popularity.py). All ignore case as the linker does; equals go by id.
    """
    labels = ((entity.label, entity.id) for entity in catalog)
    names = ((name, entity.id) for entity in catalog for name in (entity.label, *entity.aliases))
    by_label, by_name = _most_popular(labels, popularity), _most_popular(names, popularity)

    def of_candidates(surface: str, tells: bool) -> str | None:
        use = Use.of(normalize_name(surface), surface, tells=tells)
        return _best((each.entity_id for each in index.of(use)), popularity)

    return {
        "label": lambda surface, _tells: by_label.get(normalize_name(surface)),
        "popularity": lambda surface, _tells: by_name.get(normalize_name(surface)),
        "popularity_of_candidates": of_candidates,
    }


def _most_popular(names: Iterable[tuple[str, str]], popularity: Mapping[str, float]) -> dict[str, str]:
    sharing: dict[str, list[str]] = {}
    for name, entity_id in names:
        sharing.setdefault(normalize_name(name), []).append(entity_id)
    return {name: best for name, ids in sharing.items() if (best := _best(ids, popularity)) is not None}


def _best(entity_ids: Iterable[str], popularity: Mapping[str, float]) -> str | None:
    return min(entity_ids, key=lambda each: (-popularity[each], each), default=None)
