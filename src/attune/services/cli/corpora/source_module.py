"""What one Python source file defines, found by reading it, without running it."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Reference:
    """A name bound by an import: `name` of `module`, or the module itself where `name` is empty."""

    module: str
    name: str = ""


@dataclass(slots=True)
class SourceModule:
    """A parsed module.

    `assigned` are plain assignments `x = a.b`, `instances` are `x = Class(...)`, `starred` the modules of
    `from m import *`, `imported` every module named in an import. `exports` is __all__ as far as it can be read without
    running the code, None where there is none; `exports_of` are modules whose own public names __all__ takes over.
    """

    name: str
    path: Path
    docstring: str = ""
    definitions: dict[str, Definition] = field(default_factory=dict)
    references: dict[str, list[Reference]] = field(default_factory=dict)
    assigned: dict[str, str] = field(default_factory=dict)
    instances: dict[str, str] = field(default_factory=dict)
    starred: list[str] = field(default_factory=list)
    imported: list[str] = field(default_factory=list)
    exports: list[str] | None = None
    exports_of: list[str] = field(default_factory=list)

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"


def parse_module(name: str, path: Path) -> SourceModule | None:
    """The module in the file, or None where it cannot be read as Python source."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    module = SourceModule(name, path, ast.get_docstring(tree) or "")
    for statement in _top_level(tree.body):
        _record(module, statement)
    return module


def _top_level(statements: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run at import, those under if, try and with included."""
    for statement in statements:
        yield statement
        if isinstance(statement, ast.If | ast.Try | ast.With):
            for block in ("body", "orelse", "finalbody"):
                yield from _top_level(getattr(statement, block, ()))
            for handler in getattr(statement, "handlers", ()):
                yield from _top_level(handler.body)


def _record(module: SourceModule, statement: ast.stmt) -> None:
    match statement:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            _record_definition(module, statement)
        case ast.Import():
            _record_import(module, statement)
        case ast.ImportFrom():
            _record_import_from(module, statement)
        case (
            ast.Assign(targets=[ast.Name(id="__all__")], value=value)
            | ast.AugAssign(target=ast.Name(id="__all__"), value=value)
        ):
            _record_exports(module, value)
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="__all__")), args=arguments)):
            for argument in arguments:
                _record_exports(module, argument)
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id=class_name))):
            module.instances.setdefault(name, class_name)
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name() | ast.Attribute() as value):
            module.assigned.setdefault(name, ast.unparse(value))


def _record_definition(module: SourceModule, definition: Definition) -> None:
    known = module.definitions.get(definition.name)
    # Overloads and platform variants: the one that says something.
    if known is None or not ast.get_docstring(known):
        module.definitions[definition.name] = definition


def _record_import(module: SourceModule, statement: ast.Import) -> None:
    for alias in statement.names:
        module.imported.append(alias.name)
        target = alias.name if alias.asname else alias.name.partition(".")[0]
        module.references.setdefault(alias.asname or target, []).append(Reference(target))


def _record_import_from(module: SourceModule, statement: ast.ImportFrom) -> None:
    source = _absolute(module, statement)
    module.imported.append(source)
    for alias in statement.names:
        if alias.name == "*":
            module.starred.append(source)
        elif alias.name == "__all__":
            module.exports = module.exports or []
            module.exports_of.append(source)
        else:
            module.imported.append(f"{source}.{alias.name}")
            module.references.setdefault(alias.asname or alias.name, []).append(Reference(source, alias.name))


def _absolute(module: SourceModule, statement: ast.ImportFrom) -> str:
    if not statement.level:
        return statement.module or ""
    parts = module.name.split(".")
    package = parts[: len(parts) - statement.level + module.is_package]
    return ".".join([*package, *filter(None, [statement.module])])


def _record_exports(module: SourceModule, value: ast.expr) -> None:
    """Add what an expression contributes to __all__; what only running it would tell is left out."""
    match value:
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            names = [item.value for item in elements if isinstance(item, ast.Constant) and isinstance(item.value, str)]
            module.exports = [*(module.exports or []), *names]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            _record_exports(module, left)
            _record_exports(module, right)
        case ast.Constant(value=str(name)):
            module.exports = [*(module.exports or []), name]
        case ast.Attribute(value=ast.Name(id=name), attr="__all__"):
            module.exports = module.exports or []
            module.exports_of.append(_module_named(module, name))
        case ast.Call(func=function, args=[ast.Name(id=name)]) if ast.unparse(function).endswith("_get_exports_list"):
            module.exports = module.exports or []  # os, socket and their like: all that a C module has
            module.exports_of.append(_module_named(module, name))


def _module_named(module: SourceModule, name: str) -> str:
    """The module that a local name stands for; a submodule of the package where nothing else is known."""
    for reference in module.references.get(name, ()):
        return f"{reference.module}.{reference.name}".rstrip(".")
    return f"{module.name}.{name}"
