"""Generations on a Qdrant server: a collection for each, and aliases that say what they are for.

Two aliases, `NAME-serving` and `NAME-building`, are changed together, in one request that the server applies as a
whole. Every search role asks for them: before it reads, where it has not for a second; after each write, so that what
another one has begun to build gets it too.
"""

import re

from qdrant_client import QdrantClient, models

from attune.services.search.index.directory import MEND
from attune.services.search.index.errors import IndexUnavailableError
from attune.services.search.index.fields import NO_FIELDS, DeclaredFields
from attune.services.search.index.generational import GenerationalIndex
from attune.services.search.index.generations import Generation, GenerationState
from attune.services.search.index.identity import IndexIdentity, of_manifest
from attune.services.search.index.qdrant import QdrantIndex
from attune.services.search.index.server import (
    ServerEngine,
    add_passages,
    answering,
    create_collection,
    index_payload,
    require_identity,
)
from attune.services.search.index.settings import DEFAULT_SETTINGS, IndexSettings
from attune.services.search.index.shelf import Standing

_OLDEST_SERVER = (1, 19)
"""Older servers have no `SearchParams.idf`, and would mix the term statistics of all tenants."""
_TIMEOUT_S = 30
"""How long the server may take to answer one call."""


def connect(
    url: str,
    collection: str,
    identity: IndexIdentity,
    fields: DeclaredFields = NO_FIELDS,
    settings: IndexSettings = DEFAULT_SETTINGS,
    *,
    api_key: str = "",
    may_rebuild: bool = False,
) -> GenerationalIndex:
    """Open the index of that name on the Qdrant server at `url`, as `open_server_index` does."""
    # Over REST, whose errors are qdrant-client's own; and its version check only warns, where ours refuses.
    client = QdrantClient(url=url, api_key=api_key or None, timeout=_TIMEOUT_S, check_compatibility=False)
    try:
        return open_server_index(client, collection, identity, fields, settings, may_rebuild=may_rebuild)
    except BaseException:
        client.close()
        raise


def open_server_index(
    client: QdrantClient,
    collection: str,
    identity: IndexIdentity,
    fields: DeclaredFields = NO_FIELDS,
    settings: IndexSettings = DEFAULT_SETTINGS,
    *,
    may_rebuild: bool = False,
) -> GenerationalIndex:
    """Open the index whose first collection is `collection`, or make it. The index closes the client.

    Raises:
        IndexUnavailableError: the server does not answer, refuses, or is older than 1.19.
        IndexMismatchError: it was written for another identity, unless it may be built anew, or a field for another
            type.
    """
    with answering(collection):
        _require_version(client.info().version)
        shelf = ServerShelf(client, collection, identity, fields, settings)
        return GenerationalIndex(shelf, may_rebuild=may_rebuild)


class ServerShelf:
    """`generations.Shelf` over the collections of one name."""

    def __init__(
        self,
        client: QdrantClient,
        name: str,
        identity: IndexIdentity,
        fields: DeclaredFields,
        settings: IndexSettings,
    ) -> None:
        self._client = client
        self._name = name
        self._identity = identity
        self._fields = fields
        self._settings = settings
        self._serving = f"{name}-serving"
        self._building = f"{name}-building"

    def standing(self) -> Standing:
        """See `Shelf.standing`. The first collection serves until another one does."""
        with answering(self._name):
            aliases = {each.alias_name: each.collection_name for each in self._client.get_aliases().aliases}
        return Standing(aliases.get(self._serving, self._name), aliases.get(self._building, ""))

    def open(self, name: str) -> QdrantIndex:
        """See `Shelf.open`."""
        with answering(name):
            if name == self._name and not self._client.collection_exists(name):
                create_collection(self._client, name, self._identity, self._fields, self._settings)
            require_identity(self._client, name, self._identity, MEND)
            add_passages(self._client, name, self._identity)
            index_payload(self._client, name, self._fields, MEND)
        return QdrantIndex(ServerEngine(self._client, name, self._settings), self._identity, self._fields)

    def all(self) -> list[Generation]:
        """See `Shelf.all`."""
        standing = self.standing()
        with answering(self._name):
            return [self._described(name, standing) for name in self._collections()]

    def create(self) -> None:
        """See `Shelf.create`."""
        with answering(self._name):
            numbers = [int(name.removeprefix(f"{self._name}-")) for name in self._collections() if name != self._name]
            name = f"{self._name}-{max(numbers, default=1) + 1}"
            create_collection(self._client, name, self._identity, self._fields, self._settings)
            self._change(_points(self._building, name))

    def activate(self, name: str) -> None:
        """See `Shelf.activate`."""
        with answering(name):
            self._change(_removes(self._building), *self._without_serving(), _points(self._serving, name))

    def abandon(self) -> None:
        """See `Shelf.abandon`."""
        with answering(self._name):
            self._change(_removes(self._building))

    def delete(self, name: str) -> None:
        """See `Shelf.delete`."""
        with answering(name):
            self._client.delete_collection(name)

    def close(self) -> None:
        """See `Shelf.close`."""
        self._client.close()

    def _without_serving(self) -> list[models.AliasOperations]:
        """An alias is moved by taking it away first; the first time there is none."""
        aliases = {each.alias_name for each in self._client.get_aliases().aliases}
        return [_removes(self._serving)] if self._serving in aliases else []

    def _change(self, *operations: models.AliasOperations) -> None:
        if not self._client.update_collection_aliases(list(operations)):
            raise IndexUnavailableError(f"the Qdrant server did not change the aliases of {self._name!r}: try again")

    def _collections(self) -> list[str]:
        pattern = re.compile(rf"{re.escape(self._name)}(-\d+)?")
        found = [each.name for each in self._client.get_collections().collections]
        return sorted(name for name in found if pattern.fullmatch(name))

    def _described(self, name: str, standing: Standing) -> Generation:
        states = {standing.building: GenerationState.BUILDING, standing.serving: GenerationState.SERVING}
        metadata = self._client.get_collection(name).config.metadata or {}
        return of_manifest(name, states.get(name, GenerationState.RETIRED), metadata)


def _points(alias: str, collection: str) -> models.AliasOperations:
    return models.CreateAliasOperation(create_alias=models.CreateAlias(alias_name=alias, collection_name=collection))


def _removes(alias: str) -> models.AliasOperations:
    return models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))


def _require_version(version: str) -> None:
    numbers = tuple(int(number) for number in version.split(".")[:2])
    if numbers < _OLDEST_SERVER:
        raise IndexUnavailableError(
            f"the Qdrant server is version {version}, which mixes the term statistics of all tenants: "
            "upgrade it to 1.19 or later"
        )
