"""The index over its generations: reads what serves, writes to that and to what is being built."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from attune.services.search.index.errors import IndexMismatchError, SearchIndexError
from attune.services.search.index.feeding import Feed
from attune.services.search.index.generations import (
    Generation,
    GenerationError,
    GenerationState,
    LogBehindError,
)
from attune.services.search.index.narrowing import EVERYTHING, Within
from attune.services.search.index.passages import Passages
from attune.services.search.index.port import (
    NO_PASSAGES,
    Candidate,
    Document,
    FloatMatrix,
    FloatVector,
    IndexedDocument,
    ToRank,
    Version,
)
from attune.services.search.index.qdrant import QdrantIndex
from attune.services.search.index.sharing import Lent, SharedLock
from attune.services.search.index.shelf import Shelf, Standing

T = TypeVar("T")
_LOOKED_AFTER_S = 1.0
"""How old what is known of the generations may be, for reading: another process may have changed it."""


class GenerationalIndex:
    """`port.Index`. Searches never wait for a change of generations; writes wait while one is made."""

    def __init__(self, shelf: Shelf, *, may_rebuild: bool = False) -> None:
        """`may_rebuild`: what serves may be of another model; then searches are refused, and a new one can be built.

        Raises:
            IndexMismatchError: what serves is of another model.
        """
        self._shelf = shelf
        self._writing = SharedLock()
        self._lent: dict[str, Lent[QdrantIndex]] = {}
        self._mismatch: dict[str, IndexMismatchError] = {}
        self._doomed: set[str] = set()
        self._looking = threading.Lock()
        self._epoch = 0
        self._looked = 0.0
        self._standing = Standing("")
        self._look()
        if not may_rebuild and (mismatch := self._mismatch.get(self._standing.serving)):
            raise mismatch

    # Writing

    def upsert(
        self,
        tenant: str,
        documents: Sequence[IndexedDocument],
        vectors: FloatMatrix,
        passages: Mapping[str, Passages] = NO_PASSAGES,
    ) -> None:
        self._write(lambda index, live: index.upsert(tenant, documents, vectors, passages, live=live))

    def delete(self, tenant: str, ids: Sequence[str]) -> int:
        return self._write(lambda index, live: index.bury(tenant, ids) if live else index.delete(tenant, ids))

    def retire(self, tenant: str, deletions: Mapping[str, Version]) -> None:
        self._write(lambda index, _live: index.retire(tenant, deletions))

    def confirm(self, tenant: str, documents: Sequence[IndexedDocument]) -> None:
        self._write(lambda index, _live: index.confirm(tenant, documents))

    def move_log_offset(self, partition: int, offset: int) -> None:
        self._write(lambda index, _live: index.move_log_offset(partition, offset))

    def flush(self) -> None:
        self._write(lambda index, _live: index.flush())

    def settle(self, timeout_s: float) -> bool:
        """Wait until what serves has its vectors in graphs, as far as they are to be; false where it takes longer."""
        return self._read(lambda index: index.settle(timeout_s))

    # What of it is written

    def digests(self, tenant: str, ids: Sequence[str]) -> dict[str, str]:
        first, *others = self._of_all(lambda index: index.digests(tenant, ids))
        return {each: digest for each, digest in first.items() if all(other.get(each) == digest for other in others)}

    def overtaken(self, _tenant: str, _ids: Sequence[str]) -> frozenset[str]:
        return frozenset()

    def versions(self, tenant: str, ids: Sequence[str]) -> dict[str, Version]:
        first, *others = self._of_all(lambda index: index.versions(tenant, ids))
        for other in others:
            first = {
                each: other[each] if version.is_after(other[each]) else version
                for each, version in first.items()
                if each in other
            }
        return first

    def log_offset(self, partition: int) -> int:
        return min(self._of_all(lambda index: index.log_offset(partition)))

    # Reading

    def get(self, tenant: str, document_id: str, principals: Sequence[str] | None = None) -> Document | None:
        return self._read(lambda index: index.get(tenant, document_id, principals))

    def documents(
        self, tenant: str, ids: Sequence[str], principals: Sequence[str] | None = None
    ) -> dict[str, Document]:
        return self._read(lambda index: index.documents(tenant, ids, principals))

    def to_rank(self, tenant: str, ids: Sequence[str], principals: Sequence[str] | None = None) -> ToRank:
        return self._read(lambda index: index.to_rank(tenant, ids, principals))

    def vectors(self, tenant: str, ids: Sequence[str], space: str | None = None) -> dict[str, FloatVector]:
        return self._read(lambda index: index.vectors(tenant, ids, space))

    def passages(self, tenant: str, ids: Sequence[str]) -> dict[str, Passages]:
        return self._read(lambda index: index.passages(tenant, ids))

    def count(self, tenant: str) -> int:
        return self._read(lambda index: index.count(tenant))

    def inhabited(self, tenant: str, domains: Sequence[str], principals: Sequence[str] | None = None) -> frozenset[str]:
        return self._read(lambda index: index.inhabited(tenant, domains, principals))

    def inhabited_spaces(
        self, tenant: str, spaces: Sequence[str], principals: Sequence[str] | None = None
    ) -> frozenset[str]:
        return self._read(lambda index: index.inhabited_spaces(tenant, spaces, principals))

    def dense(
        self,
        tenant: str,
        vector: FloatVector,
        limit: int,
        domains: Sequence[str] = (),
        space: str | None = None,
        within: Within = EVERYTHING,
    ) -> list[Candidate]:
        return self._read(lambda index: index.dense(tenant, vector, limit, domains, space, within))

    def bm25(
        self, tenant: str, text: str, limit: int, domains: Sequence[str] = (), within: Within = EVERYTHING
    ) -> list[Candidate]:
        return self._read(lambda index: index.bm25(tenant, text, limit, domains, within))

    # Generations

    def epoch(self) -> int:
        """Another number after every change of generations that this index has seen."""
        self._look_again()
        return self._epoch

    def generations(self) -> list[Generation]:
        self._look()
        return [replace(each, documents=self._documents_of(each.name)) for each in self._shelf.all()]

    def create_generation(self) -> Generation:
        with self._writing.exclusive():
            if building := self._known().building:
                raise GenerationError(f"generation {building!r} is being built: put it in place, or drop it, first")
            self._shelf.create()
            self._look()
        return self._found(self._standing.building)

    def activate_generation(self, name: str, *, force: bool = False) -> Generation:
        if name == self._known().serving:  # a call that is repeated
            return self._found(name)
        with self._writing.exclusive():
            old, building = self._standing.serving, self._require_building(name)
            if not force:
                self._require_complete(old, building)
            building.sweep()
            building.flush()
            self._shelf.activate(name)
            self._part_with(old)
        return self._found(name)

    def drop_generation(self, name: str) -> None:
        with self._writing.exclusive():
            found = {each.name: each.state for each in self._shelf.all()}
            if name not in found:
                raise GenerationError(
                    f"there is no generation {name!r}: `attune generations list` names those there are"
                )
            if found[name] is GenerationState.SERVING:
                raise GenerationError(f"generation {name!r} serves: put another one in its place, which drops it")
            if found[name] is GenerationState.BUILDING:
                self._shelf.abandon()
            self._part_with(name)

    def feed(self, name: str) -> Feed:
        with self._writing.exclusive():
            self._require_building(name)
        return Feed(lambda act: self._fed(name, act))

    def close(self) -> None:
        for each in self._lent.values():
            each.give_up()
        self._lent = {}
        self._shelf.close()

    # How

    def _write(self, act: Callable[[QdrantIndex, bool], T]) -> T:
        """Do it to what serves and to what is being built, and return what it was of the first.

        A generation that another process began while this was done is written to as well, and one that it has dropped
        is left alone.
        """

        def do(name: str) -> T:
            return self._done(name, lambda index: act(index, name == self._standing.building))

        with self._writing.shared():
            done: dict[str, T] = {}
            while missing := [name for name in self._writable() if name not in done]:
                for name in missing:
                    try:
                        done[name] = do(name)
                    except SearchIndexError:
                        if name in self._writable():
                            raise
            return next(iter(done.values()))

    def _of_all(self, ask: Callable[[QdrantIndex], T]) -> list[T]:
        with self._writing.shared():
            return [self._done(name, ask) for name in self._writable()]

    def _fed(self, name: str, act: Callable[[QdrantIndex], T]) -> T:
        with self._writing.shared():
            return act(self._require_building(name))

    def _writable(self) -> list[str]:
        """What serves first.

        Raises:
            IndexMismatchError: there is a generation of another model, which this service cannot keep up to date.
        """
        self._look()
        building, serving = self._standing.building, self._standing.serving
        if building in self._mismatch:
            raise IndexMismatchError(
                f"generation {building!r} is being built for another model, and this service cannot write to it: "
                "send documents to the service that builds it, or again when it serves, or drop it"
            )
        if serving in self._mismatch and not building:
            raise self._mismatch[serving]
        return [name for name in (serving, building) if name in self._lent]

    def _read(self, ask: Callable[[QdrantIndex], T]) -> T:
        """Of what serves. If that was dropped by another process meanwhile, of what serves then."""
        self._look_again()
        serving = self._standing.serving
        try:
            return self._done(serving, ask)
        except SearchIndexError:
            if self._known().serving == serving:
                raise
        return self._done(self._standing.serving, ask)

    def _done(self, name: str, act: Callable[[QdrantIndex], T]) -> T:
        if mismatch := self._mismatch.get(name):
            raise mismatch
        lent = self._lent.get(name)
        if lent is not None:
            with lent.use() as index:
                if index is not None:
                    return act(index)
        raise GenerationError(f"generation {name!r} is closed")

    def _known(self) -> Standing:
        self._look()
        return self._standing

    def _look_again(self) -> None:
        if time.monotonic() - self._looked > _LOOKED_AFTER_S:
            self._look()

    def _look(self) -> None:
        """Open what is new, and give up what is gone."""
        with self._looking:
            standing = self._shelf.standing()
            self._looked = time.monotonic()
            if standing == self._standing:
                return
            names = {name for name in (standing.serving, standing.building) if name}
            for name in names - self._lent.keys() - self._mismatch.keys():
                self._open(name)
            self._standing = standing
            self._epoch += 1
            gone = [self._lent.pop(name) for name in self._lent.keys() - names]
        for each in gone:
            each.give_up()

    def _open(self, name: str) -> None:
        def close(index: QdrantIndex) -> None:
            index.close()
            if name in self._doomed:
                self._shelf.delete(name)

        try:
            self._lent[name] = Lent(self._shelf.open(name), close)
        except IndexMismatchError as error:
            self._mismatch[name] = error

    def _part_with(self, name: str) -> None:
        """Delete a generation that neither serves nor is being built, once the last search in it has ended."""
        self._doomed.add(name)
        is_open = name in self._lent
        self._look()
        self._mismatch.pop(name, None)
        if not is_open:
            self._shelf.delete(name)

    def _require_building(self, name: str) -> QdrantIndex:
        if not name or name != self._standing.building:
            there_is = f"{self._standing.building!r} is" if self._standing.building else "none is"
            raise GenerationError(f"generation {name!r} is not being built: {there_is}")
        return self._done(name, lambda index: index)  # nobody closes it while writes are held back

    def _require_complete(self, old: str, building: QdrantIndex) -> None:
        """Nothing may be missing because it was forgotten: no tenant's documents, and no stretch of the log."""
        if old in self._mismatch:
            return
        read = building.log_offsets()
        behind = [
            f"partition {partition} to {read.get(partition, 0)} of {offset}"
            for partition, offset in self._done(old, QdrantIndex.log_offsets).items()
            if read.get(partition, 0) < offset
        ]
        if behind:
            raise LogBehindError(f"the log is not read into it as far as into what serves: {', '.join(behind)}")
        missing = self._done(old, QdrantIndex.tenants).keys() - building.tenants().keys()
        if missing:
            raise GenerationError(
                f"it has no document of {len(missing)} tenants that have some now: index theirs first, or force it"
            )

    def _documents_of(self, name: str) -> int | None:
        return sum(self._done(name, QdrantIndex.tenants).values()) if name in self._lent else None

    def _found(self, name: str) -> Generation:
        return next(each for each in self.generations() if each.name == name)
