"""Files that are there as a whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from attune.knowledge_store.catalog_lines import CatalogError


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """A text file that takes the place of `path`, safe on disk, when the block has ended; an error changes nothing.

    It keeps the permissions of the file that it replaces. Raises CatalogError for what cannot be written.
    """
    target = path.resolve()  # behind a link, the file is replaced and not the link
    draft: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".new", dir=target.parent)
        draft = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), _mode(target))
            os.fsync(file.fileno())
        draft.replace(target)
        _sync_directory(target.parent)
    except OSError as error:  # what is read inside the block tells of its own troubles
        raise CatalogError(f"{path}: cannot be written ({error.strerror}): check the directory") from error
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)


def _mode(path: Path) -> int:
    """The permissions that a file has, or else that a new one gets."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
