"""The formats that a catalog can be imported from, each with the options that it knows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from attune.knowledge_store.catalog_lines import CatalogError
from attune.knowledge_store.importing.lines import numbered_lines
from attune.knowledge_store.importing.own import merges_of, own_entities
from attune.knowledge_store.importing.products import ProductColumns, product_entities
from attune.knowledge_store.importing.report import ImportReport
from attune.knowledge_store.importing.rows import read_rows
from attune.knowledge_store.importing.subclasses import subclasses_of
from attune.knowledge_store.importing.wikidata import ItemIds, PropertyLabels, WikidataFilter, wikidata_entities
from attune.knowledge_store.importing.writing import write_catalog


class Format(StrEnum):
    """What `--from` takes."""

    JSONL = "jsonl"
    WIKIDATA = "wikidata"
    NTRIPLES = "ntriples"
    TURTLE = "turtle"
    PRODUCTS = "products"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the options of the command say, whatever the format; those not given are empty."""

    languages: Sequence[str] = ()
    classes: Sequence[str] = ()
    no_subclasses: bool = False
    ids: Path | None = None
    min_sitelinks: int = 0
    properties: Sequence[str] = ()
    id: str = ""
    label: str = ""
    aliases: Sequence[str] = ()
    description: str = ""
    links: Sequence[str] = ()
    separator: str = ""


@dataclass(frozen=True, slots=True)
class Import:
    """One run: from where, to where, and who hears of the bytes that were read."""

    input: Path
    out: Path
    report: ImportReport
    read: Callable[[int], None]


_KNOWN = {
    Format.JSONL: (),
    Format.WIKIDATA: ("languages", "classes", "no_subclasses", "ids", "min_sitelinks", "properties"),
    Format.NTRIPLES: ("languages", "properties"),
    Format.TURTLE: ("languages", "properties"),
    Format.PRODUCTS: ("id", "label", "aliases", "description", "links", "separator"),
}
_OPTIONS = {
    "languages": "--language",
    "classes": "--class",
    "no_subclasses": "--no-subclasses",
    "min_sitelinks": "--min-sitelinks",
    "properties": "--property",
    "aliases": "--alias",
    "links": "--link",
}


def import_catalog(source: Format, wishes: Wishes, run: Import) -> None:
    """Writes the catalog. Raises CatalogError, also for an option that the format does not know."""
    for name in Wishes.__dataclass_fields__:
        if getattr(wishes, name) and name not in _KNOWN[source]:
            option = _OPTIONS.get(name, f"--{name}")
            raise CatalogError(f"{option} means nothing for --from {source}: leave it out")
    _IMPORTERS[source](wishes, run)


def _jsonl(_wishes: Wishes, run: Import) -> None:
    merges = [] if run.input.resolve() == run.out.resolve() else merges_of(run.out)
    entities = own_entities(numbered_lines(run.input, run.report, run.read), run.report, merges)
    write_catalog(entities, run.out, run.report, merges=merges)


def _wikidata(wishes: Wishes, run: Import) -> None:
    wanted = WikidataFilter(
        languages=wishes.languages or ("en",),
        classes=frozenset(wishes.classes),
        subclasses=_subclasses(wishes, run),
        ids=_read_ids(wishes.ids),
        min_sitelinks=wishes.min_sitelinks,
        properties=_pairs(wishes.properties, "--property"),
    )
    labels = PropertyLabels(wanted.properties)
    entities = wikidata_entities(numbered_lines(run.input, run.report, run.read), wanted, labels, run.report)
    write_catalog(entities, run.out, run.report, ids=ItemIds(), relation=labels.relation, merges=merges_of(run.out))


def _subclasses(wishes: Wishes, run: Import) -> ItemIds | None:
    """Those of the classes, by reading all of the dump; what is wrong in it is reported when it is read again."""
    if not wishes.classes or wishes.no_subclasses:
        return None
    if run.input.exists() and not run.input.is_file():
        raise CatalogError(f"{run.input}: --class reads the dump twice: give a file, or --no-subclasses")
    unread = ImportReport(run.report.source)
    found = subclasses_of(wishes.classes, numbered_lines(run.input, unread, run.read))
    run.report.subclasses = len(found)
    return found or None


def _rdf(source: Format) -> Callable[[Wishes, Import], None]:
    def import_rdf(wishes: Wishes, run: Import) -> None:
        from attune.knowledge_store.importing import rdf  # noqa: PLC0415 - rdflib, which no other command waits for
        from attune.knowledge_store.importing.facts import entities_of  # noqa: PLC0415

        wanted = rdf.RdfFilter(wishes.languages or ("en",), _pairs(wishes.properties, "--property"))
        if source is Format.TURTLE:
            triples = rdf.turtle(run.input, run.report)
        else:
            triples = rdf.ntriples(numbered_lines(run.input, run.report, run.read), run.report)
        entities = entities_of(rdf.facts_of(triples, wanted, run.report), run.report)
        write_catalog(entities, run.out, run.report, merges=merges_of(run.out))

    return import_rdf


def _products(wishes: Wishes, run: Import) -> None:
    if not (wishes.id and wishes.label):
        raise CatalogError("--id and --label: name the columns of the products' ids and names")
    links = _pairs(wishes.links, "--link")
    unnamed = [column for column, relation in links.items() if not relation]
    if unnamed:
        raise CatalogError(f"--link {unnamed[0]}: give the relation too, such as {unnamed[0]}=part_of")
    columns = ProductColumns(wishes.id, wishes.label, wishes.aliases, wishes.description, links, wishes.separator)
    entities = product_entities(read_rows(run.input, run.report, run.read), columns, run.report)
    write_catalog(entities, run.out, run.report, merges=merges_of(run.out))


_IMPORTERS: Mapping[Format, Callable[[Wishes, Import], None]] = {
    Format.JSONL: _jsonl,
    Format.WIKIDATA: _wikidata,
    Format.NTRIPLES: _rdf(Format.NTRIPLES),
    Format.TURTLE: _rdf(Format.TURTLE),
    Format.PRODUCTS: _products,
}


def _pairs(options: Sequence[str], name: str) -> dict[str, str]:
    """KEY=VALUE, or KEY alone, whose value is empty. The last "=" counts: IRIs have some of their own."""
    pairs = {}
    for option in options:
        key, equals, value = option.rpartition("=")
        key, value = (key, value) if equals else (option, "")
        if not key or (equals and not value):
            raise CatalogError(f"{name} {option}: write it as KEY=NAME")
        pairs[key] = value
    return pairs


def _read_ids(path: Path | None) -> frozenset[str]:
    if path is None:
        return frozenset()
    try:
        ids = frozenset(path.read_text(encoding="utf-8-sig").split())
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path}: cannot be read ({error}): give a file with an id a line") from error
    if not ids:
        raise CatalogError(f"{path}: there is no id in it: give a file with an id a line")
    return ids
