"""Which engine the configuration names: a Qdrant server, or the one embedded in this process."""

from attune.services.runtime.config import Config
from attune.services.search.index.edge import open_edge_index
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.port import Index

COLLECTION = "attune"


def open_index(config: Config, model_id: str, dimension: int) -> Index:
    """The index of `config.qdrant_url`, or else of <data_dir>/index, for the vectors of this model.

    Blocks until the index can be searched.

    Raises:
        SearchIndexError: it is locked, was written by another model, or its server does not answer.
    """
    identity = IndexIdentity(model_id, dimension)
    if not config.qdrant_url:
        return open_edge_index(config.data_dir / "index", identity)
    # qdrant-client takes a second to import, which only those who use a server should wait for.
    from attune.services.search.index.server import connect  # noqa: PLC0415

    return connect(config.qdrant_url, COLLECTION, identity)
