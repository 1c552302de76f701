"""The catalog of a running role: loaded from its file, and again when the file has changed."""

import os
import threading
from pathlib import Path
from typing import Self

import structlog

from attune.knowledge_store.catalog import Catalog, CatalogError
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.loaded import LoadedCatalog
from attune.services.runtime.config import Config
from attune.services.runtime.garbage import leave_reload_out_of_collections

_log = structlog.get_logger("attune.catalogs")
_Stamp = tuple[int, int, int] | None


def load_catalog(path: Path) -> LoadedCatalog:
    """Reads the catalog and says in the log which it is. Raises CatalogError."""
    return _told(path, LoadedCatalog.of(Catalog.load(path)))


class CatalogWatcher:
    """Gives a Knowledge the catalog that its file holds now, in a thread of its own.

    To be made before the catalog is loaded, and started after it: a change in between is seen. The new one takes the
    old one's place when all of it is loaded; calls that have begun end on the one that they began with. A file that is
    gone changes nothing, nor does one that is wrong, or empty while there are entities, but in the log; it is read
    again when it has changed again. One that is being written is read when it has been the same for two looks.
    """

    def __init__(self, path: Path, poll_s: float) -> None:
        self._path = path
        self._poll_s = poll_s
        self._seen = self._taken = _stamp(path)
        self._stopped = threading.Event()

    @classmethod
    def of(cls, config: Config) -> Self:
        """For the file and with the pause that the settings name."""
        return cls(config.catalog, config.catalog_poll_s)

    def start(self, knowledge: Knowledge) -> None:
        """Begins to watch; does nothing if the pause is 0."""
        if self._poll_s:
            threading.Thread(target=self._run, args=(knowledge,), name="attune-catalog", daemon=True).start()

    def stop(self) -> None:
        """Ends; a catalog that is being loaded is not waited for, and is not taken any more."""
        self._stopped.set()

    def look(self, knowledge: Knowledge) -> None:
        """Loads the file if it has changed since it was taken, and not since the last look."""
        stamp = _stamp(self._path)
        settled, self._seen = stamp == self._seen, stamp
        if stamp is None or not settled or stamp == self._taken:
            return
        self._taken = stamp
        try:
            self._reload(knowledge)
        except (CatalogError, MemoryError) as error:
            version = knowledge.catalog.version
            _log.error("the catalog is not taken; the one before stays", reason=str(error), version=version)

    def _reload(self, knowledge: Knowledge) -> None:
        catalog = Catalog.load(self._path)
        if catalog.version == knowledge.catalog.version:
            return
        if not len(catalog):
            raise CatalogError(f"{self._path}: there is no entity in it: import it again, or restart to take it so")
        loaded = LoadedCatalog.of(catalog)
        if not self._stopped.is_set():
            knowledge.loaded = _told(self._path, loaded)
            leave_reload_out_of_collections()

    def _run(self, knowledge: Knowledge) -> None:
        while not self._stopped.wait(self._poll_s):
            try:
                self.look(knowledge)
            except Exception:  # noqa: BLE001 - whatever it is, the catalog of before serves on
                _log.exception("the catalog could not be looked at")


def _told(path: Path, loaded: LoadedCatalog) -> LoadedCatalog:
    catalog = loaded.catalog
    for warning in catalog.warnings:
        _log.warning("catalog", file=str(path), warning=warning)
    merges = len(catalog.redirects)
    _log.info("catalog loaded", file=str(path), version=catalog.version, entities=len(catalog), merges=merges)
    return loaded


def _stamp(path: Path) -> _Stamp:
    """What changes with the file; None where there is none that can be read."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
