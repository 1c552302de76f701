"""A file's lines, or standard input's, of any number and in bounded memory, plain or gzip."""

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from attune.services.cli.corpora.model import CorpusError

LONGEST_LINE = 4 << 20
"""In bytes: four times the largest event by default, as JSON may need six characters for one."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where lines come from."""

    name: str
    stream: BinaryIO
    raw: BinaryIO
    """What the stream reads from: itself, or the compressed file."""
    size: int | None
    """In bytes, of `raw`; None for standard input."""

    def position(self) -> int | None:
        """How many of the bytes are read; None for standard input."""
        return None if self.size is None else self.raw.tell()

    def lines(self) -> Iterator[tuple[int, bytes | None]]:
        """Each line with its number, from 1; None for one that is longer than LONGEST_LINE.

        Raises:
            CorpusError: the file cannot be read to its end.
        """
        number = 0
        try:
            while line := self.stream.readline(LONGEST_LINE + 1):
                number += 1
                is_whole = len(line) <= LONGEST_LINE
                while not line.endswith(b"\n") and len(line) > LONGEST_LINE:
                    line = self.stream.readline(LONGEST_LINE + 1)
                yield number, line if is_whole else None
        except (OSError, EOFError, zlib.error) as error:
            raise CorpusError(f"{self.name}: cannot be read behind line {number} ({error}); test the file") from error


@contextmanager
def opened(file: str) -> Iterator[Source]:
    """The source that a command's argument names; "-" is standard input.

    Raises:
        CorpusError: there is no such file.
    """
    if file == "-":
        yield Source("standard input", sys.stdin.buffer, sys.stdin.buffer, None)
        return
    try:
        raw = Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise CorpusError(f"{file} cannot be read ({error}): name a JSONL file in UTF-8") from error
    with raw:
        # gzip's reader is a BufferedIOBase, which is all that is asked of it here.
        stream = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if file.endswith(".gz") else raw
        yield Source(file, stream, raw, Path(file).stat().st_size)
