"""Lines of files too large for memory, plain or compressed."""

import bz2
import codecs
import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from attune.knowledge_store.catalog_lines import CatalogError
from attune.knowledge_store.importing.report import ImportReport

_LONGEST = 64 << 20
"""Bytes. The largest entities of Wikidata have a few million; a line beyond is no line of the format."""
_TOLD_EVERY = 1 << 20


def numbered_lines(
    path: Path, report: ImportReport, read: Callable[[int], None] = lambda _bytes: None
) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers from 1, without their ends; .gz and .bz2 are unpacked.

    `read` hears now and then how many bytes of the file were read. Raises CatalogError for a file that cannot be read
    or ends too early; a line of more than 64 MiB is reported as bad.
    """
    try:
        with path.open("rb") as file, unpacked(path, file) as lines:
            told = 0
            for number, line in enumerate(iter(lambda: lines.readline(_LONGEST), b""), start=1):
                report.lines = number
                if file.tell() - told >= _TOLD_EVERY:
                    told = file.tell()
                    read(told)
                if len(line) == _LONGEST and not line.endswith(b"\n"):
                    report.bad(number, f"longer than {_LONGEST} bytes: this is not one entity a line")
                    _skip_line(lines)
                    continue
                yield number, (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).rstrip(b"\r\n")
            read(file.tell())
    except (OSError, EOFError, zlib.error) as error:
        raise CatalogError(f"{path}: cannot be read ({error}): check the path, and that the file is whole") from error


def unpacked(path: Path, file: BinaryIO) -> BinaryIO:
    """What is in the file, by the ending of its name."""
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.GzipFile(fileobj=file))
    if path.suffix == ".bz2":
        return cast("BinaryIO", bz2.BZ2File(file))
    return file


def _skip_line(lines: BinaryIO) -> None:
    while (rest := lines.readline(_LONGEST)) and not rest.endswith(b"\n"):
        pass
