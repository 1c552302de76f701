"""Entities from a JSON dump of Wikidata, one line at a time.

The format: an array with an entity on each line (https://doc.wikimedia.org/Wikibase/master/php/docs_topics_json.html).
Of a property's statements those of the best rank count, as in Wikidata's "truthy" dumps. The language code "mul" stands
for names that are the same in all languages.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from attune.knowledge_store.importing.report import ImportReport
from attune.knowledge_store.model import Entity, Link

_ANY_LANGUAGE = "mul"
INSTANCE_OF, SUBCLASS_OF = "P31", "P279"
_ID = re.compile(rb'"id":"(Q\d+)"')
_ITEM = re.compile(r"Q[1-9]\d{0,9}")
_LARGEST = 1 << 30


def item_number(entity_id: object) -> int | None:
    """7 of "Q7"; None for what is no id of an item, or one out of all proportion."""
    if not isinstance(entity_id, str) or not _ITEM.fullmatch(entity_id):
        return None
    number = int(entity_id[1:])
    return number if number < _LARGEST else None


class ItemIds:
    """A set of item ids with a bit for each number up to the largest: 16 MB hold all of Wikidata."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def __len__(self) -> int:
        return int.from_bytes(self._bits).bit_count()

    def add(self, entity_id: str, /) -> None:
        place, bit = divmod(int(entity_id[1:]), 8)
        if place >= len(self._bits):
            self._bits.extend(bytes(place + 1 - len(self._bits)))
        self._bits[place] |= 1 << bit

    def __contains__(self, entity_id: object, /) -> bool:
        number = item_number(entity_id)
        if number is None:
            return False
        place, bit = divmod(number, 8)
        return place < len(self._bits) and bool(self._bits[place] >> bit & 1)


@dataclass(frozen=True, slots=True)
class WikidataFilter:
    """Which items are wanted, and what of them. An empty collection restricts nothing."""

    languages: Sequence[str] = ("en",)
    """The first that has a label gives the label; the other labels are aliases."""
    classes: frozenset[str] = frozenset()
    """Items that are, by a statement of their own, an instance or a subclass of one of these."""
    subclasses: ItemIds | None = None
    """What counts as one of `classes` too."""
    ids: frozenset[str] = frozenset()
    min_sitelinks: int = 0
    properties: Mapping[str, str] = field(default_factory=dict)
    """Which properties become links, and the names of the relations; an empty name is to be found in the dump."""

    def is_class(self, entity_id: str) -> bool:
        """Whether its instances are wanted."""
        return entity_id in self.classes or (self.subclasses is not None and entity_id in self.subclasses)


class PropertyLabels:
    """What the dump calls its properties, as relations: "instance of" becomes instance_of."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        self._chosen = properties
        self._labels: dict[str, str] = {}

    def saw(self, property_id: str, label: str) -> None:
        self._labels[property_id] = re.sub(r"\W+", "_", label.lower()).strip("_")

    def relation(self, property_id: str) -> str:
        """The name that was chosen, else the label in the dump, else the id."""
        return self._chosen.get(property_id) or self._labels.get(property_id) or property_id


def wikidata_entities(
    lines: Iterable[tuple[int, bytes]], wanted: WikidataFilter, labels: PropertyLabels, report: ImportReport
) -> Iterator[Entity]:
    """The wanted items of a dump's numbered lines, with property ids as relations; `labels` hears of properties."""
    needles = [b'"%s"' % each.encode() for each in sorted(wanted.classes)]
    for number, line in lines:
        text = line.strip().removesuffix(b",")
        if text in (b"[", b"]", b""):
            continue
        reason = _not_wanted_unparsed(text, wanted, needles)
        if reason:
            report.leave_out(reason)
            continue
        try:
            entity = _entity(json.loads(text), wanted, labels)
        except (ValueError, RecursionError) as error:
            report.bad(number, f"not JSON ({error})")
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            report.bad(number, f"not an entity of Wikidata ({type(error).__name__}: {error})")
        else:
            if isinstance(entity, str):
                report.leave_out(entity)
            else:
                yield entity


def _not_wanted_unparsed(text: bytes, wanted: WikidataFilter, needles: Sequence[bytes]) -> str:
    """Why an item cannot be wanted, where its bytes say so already: parsing takes most of the time.

    Only for lines that look whole and begin like an item's, so that others are looked at closely.
    """
    if not (text.startswith(b'{"type":"item"') and text.endswith(b"}") and text.count(b"{") == text.count(b"}")):
        return ""
    if needles and not any(needle in text for needle in needles) and not _names_any(text, wanted.subclasses):
        return _OTHER_CLASS
    if wanted.ids:
        found = _ID.search(text, 0, 200)
        if found and found.group(1).decode() not in wanted.ids:
            return _OTHER_ID
    return ""


def _names_any(text: bytes, ids: ItemIds | None) -> bool:
    """Whether an item that is one of the ids occurs in the line."""
    return ids is not None and any(each.decode() in ids for each in _ID.findall(text))


def _entity(fields: Any, wanted: WikidataFilter, labels: PropertyLabels) -> Entity | str:
    """The entity of a line, or why it is none."""
    if fields["type"] == "property":
        names = _names(fields, wanted.languages)
        if names:
            labels.saw(fields["id"], names[0])
        return _NO_ITEM
    reason = _not_wanted(fields, wanted)
    if reason:
        return reason
    names = _names(fields, wanted.languages)
    if not names:
        return _NO_LABEL
    links = tuple(dict.fromkeys(_links(fields.get("claims") or {}, wanted.properties)))
    return Entity(fields["id"], names[0], tuple(names[1:]), _description(fields, wanted.languages), links)


def _not_wanted(fields: Any, wanted: WikidataFilter) -> str:
    """Why a line is no item that is wanted; empty if it is one."""
    if fields["type"] != "item":
        return _NO_ITEM
    entity_id = fields["id"]
    if item_number(entity_id) is None:
        raise TypeError(f"id {entity_id!r}")
    if wanted.ids and entity_id not in wanted.ids:
        return _OTHER_ID
    if len(fields.get("sitelinks") or ()) < wanted.min_sitelinks:
        return _FEW_SITELINKS
    if wanted.classes and not any(map(wanted.is_class, _classes(fields.get("claims") or {}))):
        return _OTHER_CLASS
    return ""


_NO_ITEM = "lines that are no items (properties, lexemes)"
_OTHER_ID = "items that are not in --ids"
_OTHER_CLASS = "items of other classes"
_FEW_SITELINKS = "items with too few sitelinks"
_NO_LABEL = "items without a label in the languages"


def _names(fields: Mapping[str, Any], languages: Sequence[str]) -> list[str]:
    """The label, then all other names, each once; empty without a label."""
    tags = (*languages, _ANY_LANGUAGE)
    labels = fields.get("labels") or {}
    aliases = fields.get("aliases") or {}
    found = [labels[tag]["value"] for tag in tags if tag in labels]
    if not found:
        return []
    found += [each["value"] for tag in tags for each in aliases.get(tag, ())]
    return list(dict.fromkeys(name.strip() for name in found if name.strip()))


def _description(fields: Mapping[str, Any], languages: Sequence[str]) -> str:
    descriptions = fields.get("descriptions") or {}
    return next((str(descriptions[tag]["value"]) for tag in languages if tag in descriptions), "")


def _classes(claims: Mapping[str, Any]) -> Iterator[str]:
    for name in (INSTANCE_OF, SUBCLASS_OF):
        yield from best_items(claims.get(name, ()))


def _links(claims: Mapping[str, Any], properties: Mapping[str, str]) -> Iterator[Link]:
    for name in properties or claims:
        for target in best_items(claims.get(name, ())):
            yield Link(name, target)


def best_items(statements: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The items that the statements of the best rank say; "some value" and "no value" are none."""
    best = [each for each in statements if each.get("rank") == "preferred"]
    for statement in best or [each for each in statements if each.get("rank") != "deprecated"]:
        value = statement["mainsnak"].get("datavalue")
        if value and value["type"] == "wikibase-entityid" and value["value"].get("entity-type") == "item":
            yield value["value"]["id"]
