"""Facts from RDF: N-Triples line by line, Turtle as a whole (which its syntax asks for), both read by rdflib.

Names are rdfs:label, skos:prefLabel, schema:name and foaf:name, other names skos:altLabel, skos:hiddenLabel and
schema:alternateName; descriptions are schema:description, rdfs:comment, skos:definition and dcterms:description. Every
statement between IRIs may become a link.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rdflib import Graph, Literal, URIRef
from rdflib.exceptions import ParserError
from rdflib.namespace import DCTERMS, FOAF, RDFS, SKOS
from rdflib.plugins.parsers.notation3 import BadSyntax
from rdflib.plugins.parsers.ntriples import DummySink, W3CNTriplesParser
from rdflib.term import Node

from attune.knowledge_store.catalog_lines import CatalogError
from attune.knowledge_store.importing.facts import Fact, FactKind
from attune.knowledge_store.importing.lines import unpacked
from attune.knowledge_store.importing.report import ImportReport

Triple = tuple[Node, Node, Node]
_SCHEMA = ("https://schema.org/", "http://schema.org/")
_LABELS = [str(SKOS.prefLabel), str(RDFS.label), *(f"{each}name" for each in _SCHEMA), str(FOAF.name)]
_ALIASES = [str(SKOS.altLabel), str(SKOS.hiddenLabel), *(f"{each}alternateName" for each in _SCHEMA)]
_DESCRIPTIONS = [
    *(f"{each}description" for each in _SCHEMA),
    str(DCTERMS.description),
    str(SKOS.definition),
    str(RDFS.comment),
]
_TEXTS = {
    predicate: (kind, rank)
    for kind, predicates in (
        (FactKind.LABEL, _LABELS),
        (FactKind.ALIAS, _ALIASES),
        (FactKind.DESCRIPTION, _DESCRIPTIONS),
    )
    for rank, predicate in enumerate(predicates)
}


@dataclass(frozen=True, slots=True)
class RdfFilter:
    """What of the statements is wanted."""

    languages: Sequence[str] = ("en",)
    """The first that has a label gives the label; texts without a language come last. "en" is "en-GB" too."""
    properties: Mapping[str, str] = field(default_factory=dict)
    """Which properties, by IRI, become links, and the names of the relations; empty: all, by the end of their IRI."""


def ntriples(lines: Iterable[tuple[int, bytes]], report: ImportReport) -> Iterator[Triple]:
    """The triples of numbered lines."""
    held: list[Triple] = []
    parser = W3CNTriplesParser(sink=_Sink(held))
    for number, line in lines:
        if line.startswith(b"_:"):  # ids that mean nothing outside of the file
            report.leave_out(_BLANK)
            continue
        try:
            parser.line = line.decode().strip()
            parser.parseline(bnode_context={})
        except (ParserError, ValueError) as error:
            report.bad(number, f"not N-Triples ({' '.join(str(error).split())[:100]})")
            held.clear()
        yield from held
        held.clear()


def turtle(path: Path, report: ImportReport) -> Iterator[Triple]:
    """The triples of a file. Raises CatalogError where it cannot be read."""
    try:
        with path.open("rb") as file, unpacked(path, file) as content:
            text = content.read().decode("utf-8-sig")
            report.lines = text.count("\n") + (not text.endswith("\n"))
            yield from Graph().parse(data=text, format="turtle")
    except BadSyntax as error:
        raise CatalogError(f"{path}, line {error.lines + 1}: not Turtle ({error._why})") from error  # noqa: SLF001 - the reason without the text
    except (
        OSError,
        EOFError,
        ValueError,
        LookupError,
        RecursionError,
        ParserError,
    ) as error:  # rdflib has no one error
        raise CatalogError(f"{path}: cannot be read ({error}): check the path, the format and the end") from error


def facts_of(triples: Iterable[Triple], wanted: RdfFilter, report: ImportReport) -> Iterator[Fact]:
    """What the triples say that a catalog can hold."""
    logger = logging.getLogger("rdflib.term")
    before = logger.level
    logger.setLevel(logging.ERROR)  # it would tell of every date that is none
    try:
        language = _language_rank(wanted.languages)
        for subject, predicate, value in triples:
            if not isinstance(subject, URIRef):
                report.leave_out(_BLANK)
            elif isinstance(value, Literal):
                yield from _text(subject, str(predicate), value, language, report)
            elif isinstance(value, URIRef):
                yield from _link(subject, str(predicate), value, wanted.properties)
            else:
                report.leave_out(_BLANK)
    finally:
        logger.setLevel(before)


_BLANK = "triples with blank nodes"
_OTHER_LANGUAGE = "texts in other languages"


class _Sink(DummySink):
    """Where rdflib puts the triples of a line."""

    def __init__(self, held: list[Triple]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._held = held

    def triple(self, s: Node, p: Node, o: Node) -> None:
        self._held.append((s, p, o))


def _text(
    subject: URIRef, predicate: str, value: Literal, language: Callable[[str], int], report: ImportReport
) -> Iterator[Fact]:
    kind, rank = _TEXTS.get(predicate, (None, 0))
    if kind is None:
        return
    place = language(value.language or "")
    text = str(value).strip()
    if place < 0:
        report.leave_out(_OTHER_LANGUAGE)
    elif text:
        yield Fact(str(subject), kind, text, place * len(_TEXTS) + rank)


def _link(subject: URIRef, predicate: str, value: URIRef, properties: Mapping[str, str]) -> Iterator[Fact]:
    if not properties or predicate in properties:
        relation = properties.get(predicate) or re.split(r"[#/:]", predicate.rstrip("#/:"))[-1]
        yield Fact(str(subject), FactKind.LINK, str(value), relation=relation)


def _language_rank(languages: Sequence[str]) -> Callable[[str], int]:
    """The place of a language tag among the wanted ones, no tag being the last; -1 for others."""
    places = {tag.lower(): place for place, tag in enumerate(languages)}

    def rank(tag: str) -> int:
        if not tag:
            return len(places)
        tag = tag.lower()
        return places.get(tag, places.get(tag.partition("-")[0], -1))

    return rank
