import ast
from pathlib import Path

import pytest

from attune.services.cli.corpora.source_module import Reference, SourceModule, parse_module


def parse(tmp_path: Path, source: str, name: str = "pkg.mod", file: str = "mod.py") -> SourceModule:
    path = tmp_path / file
    path.write_text(source, encoding="utf-8")
    module = parse_module(name, path)
    assert module is not None
    return module


def test_definitions_inside_conditions_count_and_methods_do_not(tmp_path: Path) -> None:
    module = parse(
        tmp_path,
        '"""Doc."""\n'
        "class A:\n    def method(self): ...\n"
        "if 1:\n    def f(): ...\nelse:\n    async def g(): ...\n"
        "try:\n    class B: ...\nexcept ImportError:\n    class C: ...\nfinally:\n    class D: ...\n"
        "def outer():\n    def inner(): ...\n",
    )
    assert set(module.definitions) == {"A", "f", "g", "B", "C", "D", "outer"}
    assert module.docstring == "Doc."


def test_of_two_definitions_the_documented_one_stays(tmp_path: Path) -> None:
    module = parse(tmp_path, 'def f(a): ...\ndef f(b): "Said."\ndef f(c): "Later."\n')
    assert ast.get_docstring(module.definitions["f"]) == "Said."


def test_imports_become_references_to_absolute_modules(tmp_path: Path) -> None:
    source = "import a.b\nimport c.d as e\nfrom f import g as h\nfrom . import i\nfrom .j import k\nfrom ..l import *\n"
    module = parse(tmp_path, source, "top.pkg.mod")
    assert module.references == {
        "a": [Reference("a")],
        "e": [Reference("c.d")],
        "h": [Reference("f", "g")],
        "i": [Reference("top.pkg", "i")],
        "k": [Reference("top.pkg.j", "k")],
    }
    assert module.starred == ["top.l"]
    assert module.imported == ["a.b", "c.d", "f", "f.g", "top.pkg", "top.pkg.i", "top.pkg.j", "top.pkg.j.k", "top.l"]


def test_a_package_is_the_base_of_its_own_relative_imports(tmp_path: Path) -> None:
    module = parse(tmp_path, "from .sub import name\n", "top.pkg", "__init__.py")
    assert module.is_package
    assert module.references["name"] == [Reference("top.pkg.sub", "name")]


@pytest.mark.parametrize(
    ("source", "exports", "exports_of"),
    [
        ("x = 1", None, []),
        ("__all__ = ['a', 'b']", ["a", "b"], []),
        ("__all__ = ('a',)\n__all__ += ['b']\n__all__.append('c')\n__all__.extend(['d'])", ["a", "b", "c", "d"], []),
        ("from . import s\n__all__ = s.__all__ + ('a',)", ["a"], ["pkg.s"]),
        ("from .s import *\n__all__ = (s.__all__ +\n t.__all__)", [], ["pkg.mod.s", "pkg.mod.t"]),
        ("from _c import __all__", [], ["_c"]),
        ("import _c\n__all__ = ['a']\n__all__.extend(os._get_exports_list(_c))", ["a"], ["_c"]),
        ("__all__ = [n for n in dir()]", None, []),
    ],
)
def test_all_is_read_as_far_as_it_can_be_without_running(
    tmp_path: Path, source: str, exports: list[str] | None, exports_of: list[str]
) -> None:
    module = parse(tmp_path, source)
    assert (module.exports, module.exports_of) == (exports, exports_of)


def test_assignments_of_names_and_instances_are_kept(tmp_path: Path) -> None:
    module = parse(tmp_path, "x = y\nz = a.b\n_inst = Random()\nseed = _inst.seed\nn = 3\n")
    assert module.assigned == {"x": "y", "z": "a.b", "seed": "_inst.seed"}
    assert module.instances == {"_inst": "Random"}


@pytest.mark.parametrize("content", [b"def broken(:\n", b"\xff\xfe not utf-8", b"null\x00byte"])
def test_what_is_no_python_source_is_skipped(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.py"
    path.write_bytes(content)
    assert parse_module("bad", path) is None
    assert parse_module("missing", tmp_path / "missing.py") is None
