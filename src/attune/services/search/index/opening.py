"""Which engine the configuration names: a Qdrant server, or the one embedded in this process."""

from attune.services.runtime.config import Config
from attune.services.search.index.declaring import declared_fields
from attune.services.search.index.edge_shelf import open_edge_index
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.port import Index
from attune.services.search.index.read_counts import CountReads, count_nothing
from attune.services.search.index.settings import IndexSettings

COLLECTION = "attune"


def open_index(config: Config, model_id: str, dimension: int, count: CountReads = count_nothing) -> Index:
    """The index of `config.qdrant_url`, or else of <data_dir>/index, for the vectors of this model. `count` hears what
    ranking reads of the embedded one.

    Blocks until the index can be searched.

    Raises:
        SearchIndexError: it is locked, was written by another model, or its server does not answer.
        ConfigError: the declaration of fields is wrong.
    """
    identity, fields, settings = IndexIdentity(model_id, dimension), declared_fields(config), IndexSettings.of(config)
    if not config.qdrant_url:
        path = config.data_dir / "index"
        return open_edge_index(path, identity, fields, settings, may_rebuild=config.index_rebuild, count=count)
    # qdrant-client takes a second to import, which only those who use a server should wait for.
    from attune.services.search.index.server_shelf import connect  # noqa: PLC0415

    return connect(
        config.qdrant_url,
        COLLECTION,
        identity,
        fields,
        settings,
        api_key=config.qdrant_api_key.get_secret_value(),
        may_rebuild=config.index_rebuild,
    )
