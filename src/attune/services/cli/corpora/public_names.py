"""What a public name of a module stands for, through re-exports, star imports and C accelerators."""

import ast
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

from attune.services.cli.corpora.library import Library
from attune.services.cli.corpora.source_module import Definition, SourceModule

_MAX_HOPS = 8  # of a name through re-exports; more is a cycle
_MAX_SIGNATURE = 200


@dataclass(frozen=True, slots=True)
class Item:
    """A class or function. `home` is where it is defined, the same for all of its public names.

    `signature` is what stands behind the name, "(a, b=1)", or empty; `bases` are names as written in the home module.
    """

    home: tuple[str, str]
    kind: Literal["class", "function"]
    docstring: str
    signature: str = ""
    bases: tuple[str, ...] = ()


class PublicNames:
    """Looks names up in a library."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def of(self, module_name: str) -> list[str]:
        """The module's public names: its __all__, or what it defines or takes from private modules."""
        module = self._library.module(module_name)
        if isinstance(module, ModuleType):
            return _public_attributes(module)
        return list(dict.fromkeys(filter(_is_public, self._of_source(module)))) if module else []

    def resolve(self, module_name: str, name: str, hops: int = _MAX_HOPS) -> Item | None:
        """The class or function behind `module_name.name`; None for anything else and for what cannot be found.

        Of several candidates (a Python definition and the C one that replaces it) the first with a docstring.
        """
        module = self._library.module(module_name)
        if isinstance(module, ModuleType):
            return _item_of_object(module_name, name, getattr(module, name, None))
        if module is None or not hops:
            return None
        candidates = [item for item in self._candidates(module, name, hops - 1) if item is not None]
        return next((item for item in candidates if item.docstring), candidates[0] if candidates else None)

    def resolve_bases(self, item: Item) -> Iterator[Item]:
        """The base classes of a class, as far as they can be found."""
        module = self._library.module(item.home[0])
        for base in item.bases:
            found = self._behind(module, base, _MAX_HOPS) if isinstance(module, SourceModule) else None
            found = found or self.resolve(item.home[0], base) or self.resolve("builtins", base)
            if found is not None:
                yield found

    def _of_source(self, module: SourceModule) -> Iterator[str]:
        for source in module.starred:
            if module.exports is None or module.is_package:  # some packages forget a submodule in their __all__
                yield from self.of(source) if _is_taken_over(module, source) else ()
        for source in module.exports_of:
            yield from self.of(source)
        if module.exports is not None:
            yield from module.exports
            return
        yield from (*module.definitions, *module.assigned)
        for name, references in module.references.items():
            if any(_is_taken_over(module, reference.module) for reference in references):
                yield name

    def _candidates(self, module: SourceModule, name: str, hops: int) -> Iterator[Item | None]:
        if name in module.definitions:
            yield _item_of_definition(module.name, name, module.definitions[name])
        for reference in module.references.get(name, ()):
            if reference.name:
                yield self.resolve(reference.module, reference.name, hops)
        if name in module.assigned:
            yield self._behind(module, module.assigned[name], hops)
        for source in module.starred:
            if name in self.of(source):
                yield self.resolve(source, name, hops)
        if module.is_package and name in (module.exports or ()):  # imported lazily, as in concurrent.futures
            for submodule in self._library.submodules(module.name):
                source_module = self._library.module(submodule)
                if isinstance(source_module, SourceModule) and name in source_module.definitions:
                    yield _item_of_definition(submodule, name, source_module.definitions[name])

    def _behind(self, module: SourceModule, expression: str, hops: int) -> Item | None:
        """What `y`, `module.y` or, as in random, `instance.method` stands for."""
        owner, _, attribute = expression.rpartition(".")
        if not owner:
            return self.resolve(module.name, expression, hops)
        for reference in module.references.get(owner, ()):
            item = self.resolve(f"{reference.module}.{reference.name}".rstrip("."), attribute, hops)
            if item is not None:
                return item
        definition = module.definitions.get(module.instances.get(owner, owner))
        for method in getattr(definition, "body", ()):
            if isinstance(method, ast.FunctionDef) and method.name == attribute:
                return _item_of_definition(module.name, f"{owner}.{attribute}", method, is_method=True)
        return None


def _is_public(name: str) -> bool:
    return not name.startswith("_")


def _is_taken_over(module: SourceModule, source: str) -> bool:
    """Whether an import makes names the importing module's own: from a private module, or from within the package."""
    inside = module.is_package and source.startswith(f"{module.name}.")
    return inside or any(part.startswith("_") for part in source.split("."))


def _item_of_definition(module_name: str, name: str, definition: Definition, *, is_method: bool = False) -> Item:
    docstring = ast.get_docstring(definition) or ""
    if not isinstance(definition, ast.ClassDef):
        signature = _signature(definition.args, without_first=is_method)
        return Item((module_name, name), "function", docstring, signature)
    bases = tuple(ast.unparse(base) for base in definition.bases)
    constructor = _constructor(definition)
    if constructor is None:
        return Item((module_name, name), "class", docstring, "", bases)
    docstring = docstring or ast.get_docstring(constructor) or ""
    return Item((module_name, name), "class", docstring, _signature(constructor.args, without_first=True), bases)


def _constructor(definition: ast.ClassDef) -> ast.FunctionDef | None:
    for statement in definition.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            return statement
    return None


def _signature(arguments: ast.arguments, *, without_first: bool) -> str:
    text = ast.unparse(arguments)
    if without_first:
        text = text.partition(", ")[2].removeprefix("/, ")
    return f"({text})" if len(text) <= _MAX_SIGNATURE else "(...)"


def _public_attributes(module: ModuleType) -> list[str]:
    names: Iterable[str] = getattr(module, "__all__", None) or filter(_is_public, dir(module))
    return sorted(names)


def _item_of_object(module_name: str, name: str, value: Any) -> Item | None:
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return None
    home = (getattr(value, "__module__", None) or module_name, getattr(value, "__qualname__", name))
    bases = tuple(base.__name__ for base in value.__bases__) if inspect.isclass(value) else ()
    kind: Literal["class", "function"] = "class" if inspect.isclass(value) else "function"
    return Item(home, kind, inspect.getdoc(value) or "", _runtime_signature(value), bases)


def _runtime_signature(value: Any) -> str:
    try:
        return str(inspect.signature(value))
    except (ValueError, TypeError):
        return ""
