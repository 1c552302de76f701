import sys

import pytest

from attune.services.cli.corpora.chapters import CHAPTERS, OTHER, chapter_of

NOT_IN_THE_REFERENCE = {
    *("antigravity", "this", "idlelib", "lib2to3", "turtledemo", "pydoc_data", "nt", "ntpath", "posix", "posixpath"),
    *("genericpath", "test"),
}


@pytest.mark.parametrize(
    ("module", "chapter"),
    [
        ("asyncio", "networking"),
        ("asyncio.tasks", "networking"),
        ("os", "os-services"),
        ("os.path", "file-access"),
        ("collections.abc", "data-types"),
        ("concurrent.futures", "concurrent-execution"),
        ("xml.etree.ElementTree", "markup"),
        ("json", "internet-data"),
        ("urllib.request", "internet-protocols"),
        ("tkinter.ttk", "gui"),
        ("winreg", "windows"),
        ("annotationlib", "runtime-services"),
        ("compression.zstd", "compression"),
        ("no_such_module", OTHER),
        ("", OTHER),
    ],
)
def test_a_module_belongs_to_the_chapter_of_its_longest_known_prefix(module: str, chapter: str) -> None:
    assert chapter_of(module) == chapter


def test_every_documented_module_of_this_python_has_a_chapter() -> None:
    public = {name for name in sys.stdlib_module_names if not name.startswith("_")} - NOT_IN_THE_REFERENCE
    assert {name for name in public if chapter_of(name) == OTHER} == set()


def test_no_module_is_in_two_chapters() -> None:
    modules = [module for line in CHAPTERS.values() for module in line.split()]
    assert len(modules) == len(set(modules))
