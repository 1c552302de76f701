"""Where a campaign takes place: a real Kafka, a real store, and the workers between them, in one directory."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.fakes import kafka, postgres
from tests.faults.traffic import ENTITIES
from tests.faults.worker_process import Worker

from attune.knowledge_store.knowledge import Knowledge
from attune.services.runtime.config import Config
from attune.services.runtime.eventlog.kafka_client import KafkaConnection
from attune.services.runtime.eventlog.kafka_log import KafkaEventLog
from attune.services.runtime.eventlog.kafka_topics import Wanted, init_topics
from attune.services.runtime.stores import open_knowledge

PARTITIONS = 4
_PATIENCE_MS = 60_000
_SQLITE = "knowledge.sqlite"


class Site:
    """Made by `open_site`."""

    def __init__(
        self, directory: Path, cluster: kafka.Cluster, database: postgres.Server | None, session_ms: int
    ) -> None:
        self.directory = directory
        self.cluster = cluster
        self.database = database
        self.session_s = session_ms / 1000
        self.workers: list[Worker] = []
        """All that were ever started."""
        catalog = directory / "catalog.jsonl"
        catalog.write_text("".join(json.dumps({"id": each, "label": each}) + "\n" for each in ENTITIES))
        self._settings = {
            "catalog_path": str(catalog),
            "store_url": database.url if database else "",
            "kafka_bootstrap_servers": cluster.servers,
            "kafka_session_ms": str(session_ms),
            "ingest_port": "0",
            "metrics_port": "-1",
            "ingest_batch_records": "100",
            "ingest_batch_wait_ms": "100",
        }

    def event_log(self) -> KafkaEventLog:
        """Another client's."""
        return KafkaEventLog(KafkaConnection(self.cluster.servers, patience_ms=_PATIENCE_MS))

    def knowledge(self) -> Knowledge:
        """Another client's."""
        return open_knowledge(Config(data_dir=self.directory, **self._settings))

    def empty_knowledge(self) -> Knowledge:
        """Over a store of its own, which has read nothing."""
        return open_knowledge(Config(data_dir=self.directory / "offline", **self._settings | {"store_url": ""}))

    def start_worker(self) -> Worker:
        """One more. In SQLite too, workers share the store and nothing else."""
        name = f"worker-{len(self.workers) + 1}"
        data_dir = self.directory / name
        data_dir.mkdir()
        if self.database is None:
            (data_dir / _SQLITE).symlink_to(self.directory / _SQLITE)
        settings = self._settings | {"data_dir": str(data_dir)}
        environment = {f"ATTUNE_{name.upper()}": value for name, value in settings.items()}
        worker = Worker(name, environment, self.directory / f"{name}.log")
        self.workers.append(worker)
        return worker

    def keep_logs(self) -> None:
        """Those that lie elsewhere, too."""
        if self.database is not None:
            shutil.copy(self.database.log, self.directory / "postgres.log")


@contextmanager
def open_site(directory: Path, *, brokers: int, store: str, session_ms: int) -> Iterator[Site]:
    """Kafka with attune's topics, and a store ("sqlite" or "postgres"), for as long as the block lasts."""
    with ExitStack() as stack:
        (directory / "kafka").mkdir()
        cluster = kafka.Cluster(directory / "kafka", brokers)
        stack.callback(cluster.stop)
        cluster.start()
        database = stack.enter_context(postgres.running()) if store == "postgres" else None
        init_topics(KafkaConnection(cluster.servers), Wanted(partitions=PARTITIONS, replication=brokers))
        site = Site(directory, cluster, database, session_ms)
        stack.callback(lambda: [each.kill() for each in site.workers])
        stack.callback(site.keep_logs)
        yield site
