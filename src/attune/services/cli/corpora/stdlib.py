"""The demo corpus that every Python has: the documentation strings of its own standard library.

One document and one entity for each public module, class and module-level function, under its public name: the shortest
one, so that asyncio.tasks.gather is asyncio.gather.
"""

import platform
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from attune.services.cli.corpora.chapters import chapter_of
from attune.services.cli.corpora.library import Library
from attune.services.cli.corpora.model import CatalogEntity, Corpus, CorpusDocument
from attune.services.cli.corpora.public_names import Item, PublicNames
from attune.services.cli.corpora.source_module import SourceModule
from attune.services.cli.corpora.stdlib_links import LinkFinder

_MAX_TEXT = 2000
_MAX_DESCRIPTION = 300
_MIN_DOCSTRING = 20
_MAX_OTHER_NAMES = 3
_MIN_ALIAS = 4
_SHORT_MODULE_DOCSTRING = 200  # below this the names that it defines are added
_EVERYDAY = 5  # other modules that use a word make it an everyday word
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Subject:
    """What one document is about; `item` is None for a module, `contents` empty for anything else."""

    id: str
    module: str
    docstring: str
    item: Item | None = None
    contents: str = ""
    other_names: tuple[str, ...] = ()


def load_stdlib() -> Corpus:
    """The corpus of the running Python, in order of name: about 3,000 documents, in a few seconds."""
    library = Library()
    names = PublicNames(library)
    modules = library.public_modules()
    subjects = sorted([*_module_subjects(library, names, modules), *_item_subjects(names, modules)], key=lambda s: s.id)
    finder = LinkFinder(library, names, {subject.id for subject in subjects}, _ids_by_home(subjects))
    unique = _unique_last_parts(subjects)
    return Corpus(
        name=f"python-{platform.python_version()}",
        documents=[_document(subject) for subject in subjects],
        entities=[_entity(subject, finder, unique) for subject in subjects],
    )


def _module_subjects(library: Library, names: PublicNames, modules: Iterable[str]) -> Iterable[Subject]:
    for name in modules:
        module = library.module(name)
        docstring = (module.docstring if isinstance(module, SourceModule) else module and module.__doc__) or ""
        yield Subject(name, name, docstring.strip(), contents=_contents(names.of(name)))


def _contents(public_names: list[str]) -> str:
    return f"Defines {', '.join(sorted(public_names))}." if public_names else ""


def _item_subjects(names: PublicNames, modules: Iterable[str]) -> Iterable[Subject]:
    """One subject for each class or function, whatever the number of its public names."""
    found: dict[tuple[str, str], Item] = {}
    places: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for module in modules:
        for name in names.of(module):
            item = names.resolve(module, name)
            if item is not None and len(item.docstring) >= _MIN_DOCSTRING:
                found.setdefault(item.home, item)
                places[item.home].append((module, name))
    taken = set(modules)
    for home, item in found.items():
        (module, name), *others = sorted(set(places[home]), key=_shortest_first)
        if f"{module}.{name}" not in taken:  # such as the class turned into a module by its package
            same_name = tuple(f"{other}.{name}" for other, last in others if last == name)
            yield Subject(f"{module}.{name}", module, item.docstring, item, other_names=same_name[:_MAX_OTHER_NAMES])


def _shortest_first(place: tuple[str, str]) -> tuple[int, bool, str, str]:
    module, name = place
    return module.count("."), module == "types", module, name


def _ids_by_home(subjects: Iterable[Subject]) -> dict[tuple[str, str], str]:
    return {subject.item.home: subject.id for subject in subjects if subject.item}


def _document(subject: Subject) -> CorpusDocument:
    signature = subject.item.signature if subject.item else ""
    contents = subject.contents if len(subject.docstring) < _SHORT_MODULE_DOCSTRING else ""
    text = "\n\n".join(filter(None, (f"{subject.id}{signature}", subject.docstring, contents)))
    return CorpusDocument(subject.id, subject.id, _shortened(text, _MAX_TEXT), chapter_of(subject.module))


def _entity(subject: Subject, finder: LinkFinder, unique: set[str]) -> CatalogEntity:
    last = subject.id.rpartition(".")[2]
    if subject.item is None:
        aliases: tuple[str, ...] = (f"{subject.id} module",)
    else:
        aliases = (subject.id, *([last] if last in unique else []), *subject.other_names)
    first_paragraph = (subject.docstring or subject.contents).split("\n\n")[0]
    description = _shortened(" ".join(first_paragraph.split()), _MAX_DESCRIPTION)
    links = finder.module_links(subject.id) if subject.item is None else finder.item_links(subject.module, subject.item)
    mentions = finder.mentions(subject.id, subject.module, subject.docstring)
    return CatalogEntity(subject.id, subject.id, aliases, description, (*links, *mentions))


def _unique_last_parts(subjects: Sequence[Subject]) -> set[str]:
    """Last parts of names that belong to one subject only, in any letter case, and are not everyday words."""
    last_parts = {subject.id.rpartition(".")[2]: subject.module for subject in subjects}
    count = Counter(subject.id.rpartition(".")[2].lower() for subject in subjects)
    modules_using: defaultdict[str, set[str]] = defaultdict(set)
    for subject in subjects:
        for word in _WORD.findall(subject.docstring.lower()):
            modules_using[word].add(subject.module)
    return {
        part
        for part, module in last_parts.items()
        if count[part.lower()] == 1
        and len(part) >= _MIN_ALIAS
        and (_is_identifier(part) or len(modules_using[part.lower()] - {module}) < _EVERYDAY)
    }


def _is_identifier(name: str) -> bool:
    """Whether nobody would write the name in prose: OrderedDict, lru_cache, sha256; not Process, gather."""
    return not name[1:].islower() or not name.isalpha()


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 2].rsplit(maxsplit=1)[0]} …"
