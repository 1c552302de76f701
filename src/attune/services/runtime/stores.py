"""Opens what several roles keep on disk: the knowledge store and the event log."""

from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.loaded import LoadedCatalog
from attune.knowledge_store.shadow import Shadow
from attune.knowledge_store.shadow_sqlite import SqliteShadow
from attune.knowledge_store.store import StoreError
from attune.knowledge_store.store_rows import RowStore
from attune.knowledge_store.store_sqlite import SqliteStore
from attune.services.runtime.catalogs import load_catalog
from attune.services.runtime.config import Config, ConfigError
from attune.services.runtime.eventlog.consumer import Source
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import EventLog

if TYPE_CHECKING:
    from attune.services.runtime.eventlog.kafka_client import KafkaConnection

_POSTGRES = ("postgresql://", "postgres://")
_log = structlog.get_logger("attune.stores")


def open_knowledge(config: Config) -> Knowledge:
    """The knowledge store, in PostgreSQL or in <data_dir>/knowledge.sqlite, with the configured catalog.

    Raises:
        CatalogError: the catalog cannot be read.
        StoreError: the store cannot be opened.
    """
    loaded = _catalog(config)
    return Knowledge(loaded.catalog, loaded.graph, loaded.linker, open_store(config))


def open_store(config: Config) -> RowStore:
    """The knowledge store alone. Raises StoreError where it cannot be opened."""
    url, granted = config.store_url.get_secret_value(), config.consent_default == "granted"
    if not url:
        config.data_dir.mkdir(parents=True, exist_ok=True)
        return SqliteStore(_sqlite_file(config), capacity=config.entities_per_user, consent_default=granted)
    if not url.startswith(_POSTGRES):
        raise StoreError(f"ATTUNE_STORE_URL does not begin with {_POSTGRES[0]}: give such a URL, or leave it empty")
    try:
        from attune.knowledge_store.store_postgres import PostgresStore  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise StoreError("ATTUNE_STORE_URL needs PostgreSQL's client: pip install 'attune[postgres]'") from error
    return PostgresStore(url, capacity=config.entities_per_user, consent_default=granted)


def open_existing_store(config: Config) -> RowStore:
    """The same, for who only looks at it. Raises StoreError also where there is none yet."""
    if not config.store_url.get_secret_value() and not _sqlite_file(config).exists():
        raise StoreError(
            f"there is no {_sqlite_file(config)}: set ATTUNE_DATA_DIR or ATTUNE_STORE_URL to those of the services"
        )
    return open_store(config)


def open_shadow(config: Config) -> Shadow:
    """A new, empty store beside that of `open_store`, which must have been opened before, to take its place.

    Raises:
        StoreError: it cannot be made, or another process is about to do the same.
    """
    url, granted = config.store_url.get_secret_value(), config.consent_default == "granted"
    if not url:
        return SqliteShadow(_sqlite_file(config), capacity=config.entities_per_user, consent_default=granted)
    from attune.knowledge_store.shadow_postgres import PostgresShadow  # noqa: PLC0415 - an extra

    return PostgresShadow(url, capacity=config.entities_per_user, consent_default=granted)


def open_source(config: Config, group: str) -> Source:
    """The event log, and how to become one of its readers, in Kafka as a member of `group`.

    Raises what `open_event_log` does.
    """
    log = open_event_log(config)
    if not config.kafka_bootstrap_servers:
        return Source.local(log)
    from attune.services.runtime.eventlog.kafka_group import KafkaGroupConsumer  # noqa: PLC0415 - an extra

    connection = kafka_connection(config)
    session_ms = config.kafka_session_ms
    return Source(log, lambda topic, owner: KafkaGroupConsumer(connection, group, topic, owner, session_ms))


def open_event_log(config: Config) -> EventLog:
    """The event log in Kafka, or the durable local one in <data_dir>/events.

    Raises:
        ConfigError: the client of Kafka is not installed.
        EventLogError: Kafka does not answer, refuses, or has not all topics.
    """
    if config.kafka_bootstrap_servers:
        connection = kafka_connection(config)
        from attune.services.runtime.eventlog.kafka_log import KafkaEventLog  # noqa: PLC0415 - an extra

        return KafkaEventLog(connection)
    directory = config.data_dir / "events"
    directory.mkdir(parents=True, exist_ok=True)
    return LocalEventLog(directory)


def kafka_connection(config: Config) -> "KafkaConnection":
    """Where the settings say that Kafka is. Raises ConfigError where they do not, or its client is not installed."""
    if not config.kafka_bootstrap_servers:
        raise ConfigError("ATTUNE_KAFKA_BOOTSTRAP_SERVERS is not set: set it to host:port of Kafka's brokers")
    try:
        from attune.services.runtime.eventlog.kafka_client import KafkaConnection  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError("ATTUNE_KAFKA_BOOTSTRAP_SERVERS needs Kafka's client: pip install 'attune[kafka]'") from error
    return KafkaConnection(
        servers=config.kafka_bootstrap_servers,
        security_protocol=config.kafka_security_protocol,
        sasl_mechanism=config.kafka_sasl_mechanism,
        username=config.kafka_username,
        password=config.kafka_password.get_secret_value(),
        ca_file=config.kafka_ca_file,
    )


def _sqlite_file(config: Config) -> Path:
    return config.data_dir / "knowledge.sqlite"


def _catalog(config: Config) -> LoadedCatalog:
    if config.catalog_path is None and not config.catalog.exists():
        _log.warning("no catalog: no entity will be linked", mend="set ATTUNE_CATALOG_PATH to a JSONL file of entities")
        return LoadedCatalog.of(Catalog.load([]))
    return load_catalog(config.catalog)
