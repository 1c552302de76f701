"""The modules of the installed standard library, as source wherever there is source."""

import importlib
import importlib.util
import pkgutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from attune.services.cli.corpora.source_module import SourceModule, parse_module

# Their public names come into being at import, so the source does not show them.
_MADE_AT_IMPORT = frozenset({"multiprocessing", "hashlib"})
# Doubles of os and os.path, jokes, bundled programs, tests, and modules that the reference tells one not to use.
_LEFT_OUT = frozenset(
    {"antigravity", "this", "idlelib", "lib2to3", "turtledemo", "test", "pydoc_data", "distutils", "nturl2path"}
    | {"nt", "posix", "ntpath", "posixpath", "genericpath", "sre_compile", "sre_constants", "sre_parse"}
)
_TEST_PACKAGES = frozenset({"test", "tests"})
_WITHOUT_SUBMODULES = frozenset({"ensurepip", "encodings", "ctypes"})  # codec tables and helpers of their package


class Library:
    """Modules by dotted name, read when asked for."""

    def __init__(self) -> None:
        self._modules: dict[str, SourceModule | ModuleType | None] = {}

    def module(self, name: str) -> SourceModule | ModuleType | None:
        """The parsed source; the imported module where there is no source; None where there is neither."""
        if name not in self._modules:
            self._modules[name] = self._load(name)
        return self._modules[name]

    def public_modules(self) -> list[str]:
        """Names of the documented modules, submodules included, sorted."""
        top_level = sorted(name for name in sys.stdlib_module_names if _is_public(name) and name not in _LEFT_OUT)
        names = [*top_level, "os.path"]
        for name in top_level:
            if name not in _WITHOUT_SUBMODULES:
                names.extend(self._public_submodules(name))
        return sorted(name for name in names if self.module(name) is not None)

    def submodules(self, name: str) -> list[str]:
        """Full names of a package's direct submodules, private ones too."""
        path = _source_path(name)
        if path is None or path.name != "__init__.py":
            return []
        return [f"{name}.{info.name}" for info in pkgutil.iter_modules([str(path.parent)])]

    def _public_submodules(self, name: str) -> Iterator[str]:
        for submodule in self.submodules(name):
            last = submodule.rpartition(".")[2]
            if _is_public(last) and last not in _TEST_PACKAGES:
                yield submodule
                yield from self._public_submodules(submodule)

    def _load(self, name: str) -> SourceModule | ModuleType | None:
        path = _source_path(name)
        if path is not None and name not in _MADE_AT_IMPORT:
            return parse_module(name, path)
        return _imported(name) if path is not None or "." not in name else None


def _is_public(name: str) -> bool:
    return not name.startswith("_")


def _source_path(name: str) -> Path | None:
    """The .py file of a module; found without importing the module or its packages."""
    if name == "os.path":
        return _source_path("posixpath")
    package, _, last = name.rpartition(".")
    if not package:
        return _top_level_path(name)
    parent = _source_path(package)
    if parent is None or parent.name != "__init__.py":
        return None
    candidates = (parent.parent / f"{last}.py", parent.parent / last / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def _top_level_path(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    # A frozen module (os, abc, ...) has no origin, but knows the file that it was made of.
    origin = getattr(spec and spec.loader_state, "filename", None) or (spec and spec.origin) or ""
    return Path(origin) if origin.endswith(".py") else None


def _imported(name: str) -> ModuleType | None:
    if name not in sys.stdlib_module_names:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return importlib.import_module(name)
    except ImportError:  # not built on this platform
        return None
