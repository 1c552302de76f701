"""A corpus: documents, the entities in them, and where there are some, queries with judged documents."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


class CorpusError(ValueError):
    """A corpus that cannot be used: one sentence with the file, line and field where there are some, and the mend."""


@dataclass(frozen=True, slots=True)
class CorpusDocument:
    id: str
    title: str
    text: str
    domain: str
    url: str = ""
    fields: Mapping[str, object] = field(default_factory=dict)
    """As JSON has them."""
    principals: tuple[str, ...] = ()
    language: str = ""


@dataclass(frozen=True, slots=True)
class CorpusQuery:
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class CatalogEntity:
    """`links` are (relation, target entity id)."""

    id: str
    label: str
    aliases: tuple[str, ...] = ()
    description: str = ""
    links: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> str:
        """The line of this entity in a catalog file."""
        links = [{"relation": relation, "target": target} for relation, target in self.links]
        fields = {"id": self.id, "label": self.label, "aliases": self.aliases, "description": self.description}
        return json.dumps({**fields, "links": links}, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Corpus:
    """`qrels` maps query id -> document id -> grade, 0 for judged and not relevant."""

    name: str
    documents: list[CorpusDocument]
    entities: list[CatalogEntity] = field(default_factory=list)
    queries: list[CorpusQuery] = field(default_factory=list)
    qrels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def catalog_lines(self) -> Iterator[str]:
        """The entities as JSON lines."""
        return (entity.to_json() for entity in self.entities)
