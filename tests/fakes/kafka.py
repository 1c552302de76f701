"""Apache Kafka of the tests' own: real brokers (KRaft), started by whoever needs them first.

Not a fake: the jars come from Maven Central, once, into a directory of the user's cache, or from where
ATTUNE_TEST_KAFKA_LIBS says. Brokers can be killed and started again while tests run.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient, errors

VERSION = "4.1.0"
MISSING = (
    "no Apache Kafka can be started: install Java 17 and Maven, or set ATTUNE_TEST_KAFKA_LIBS (a directory of its "
    "jars) or ATTUNE_TEST_KAFKA_BOOTSTRAP (a server for tests, which delete its topics attune.*)"
)
USER, PASSWORD = "ada", "analytical"
_ARTIFACTS = (("org.apache.kafka", "kafka_2.13", VERSION), ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3"))
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>attune</groupId><artifactId>kafka-for-tests</artifactId><version>1</version><dependencies>{}</dependencies>
</project>"""
_DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
_UP_S = 120.0
_JAVA = ("-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=ERROR")


def missing() -> str:
    """Why no broker can be started; empty where one can."""
    has_jars = _jars_given() is not None or _fetched().exists() or shutil.which("mvn")
    return "" if shutil.which("java") and has_jars else MISSING


def libs() -> Path:
    """The directory of Kafka's jars, fetched where nobody has them yet."""
    given = _jars_given()
    if given is not None:
        return given
    ready = _fetched()
    if not ready.exists():
        ready.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=ready.parent) as name:
            draft = Path(name)
            (draft / "pom.xml").write_text(_POM.format("".join(_DEPENDENCY.format(*each) for each in _ARTIFACTS)))
            command = [
                "mvn",
                "--quiet",
                "--batch-mode",
                "dependency:copy-dependencies",
                f"-DoutputDirectory={draft}/libs",
            ]
            subprocess.run(command, check=True, cwd=draft, capture_output=True, timeout=900)  # noqa: S603 - ours
            try:
                (draft / "libs").rename(ready)
            except OSError:  # another process was first
                if not ready.exists():
                    raise
    return ready


class Broker:
    """One node: broker and controller in one process."""

    def __init__(self, cluster: "Cluster", number: int, ports: tuple[int, int, int]) -> None:
        self.number = number
        self.address = f"127.0.0.1:{ports[0]}"
        self.sasl_address = f"127.0.0.1:{ports[2]}"
        self.controller = f"{number}@127.0.0.1:{ports[1]}"
        self._cluster = cluster
        self._ports = ports
        self._directory = cluster.directory / str(number)
        self._process: subprocess.Popen[bytes] | None = None

    def format(self) -> None:
        """Make its directory, once."""
        self._directory.mkdir()
        settings = "\n".join(f"{name}={value}" for name, value in self._settings().items())
        self._file.write_text(settings)
        command = [*_java(), "kafka.tools.StorageTool", "format", "-t", self._cluster.id, "-c", str(self._file)]
        subprocess.run(command, check=True, capture_output=True, timeout=_UP_S)  # noqa: S603 - ours

    def start(self) -> None:
        """Start the process; `Cluster.wait` says when it serves."""
        with (self._directory / "log").open("ab") as log:
            command = [*_java(), "kafka.Kafka", str(self._file)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - ours

    def kill(self) -> None:
        """Kill -9."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """It hears everything, and answers nothing."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on where it was."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    @property
    def is_up(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def last_words(self) -> str:
        """The end of what it wrote."""
        return (self._directory / "log").read_text(errors="replace")[-2000:]

    @property
    def _file(self) -> Path:
        return self._directory / "server.properties"

    def _settings(self) -> dict[str, object]:
        copies = len(self._cluster.brokers)
        client, controller, sasl = self._ports
        module = "org.apache.kafka.common.security.plain.PlainLoginModule"
        return {
            "process.roles": "broker,controller",
            "node.id": self.number,
            "controller.quorum.voters": ",".join(each.controller for each in self._cluster.brokers),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": f"PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller},SASL://127.0.0.1:{sasl}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl.plain.sasl.jaas.config": f'{module} required user_{USER}="{PASSWORD}";',
            "log.dirs": self._directory / "data",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.num.partitions": 1,
            "transaction.state.log.min.isr": min(2, copies),
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 500,
            "log.cleaner.backoff.ms": 100,
            "log.cleaner.dedupe.buffer.size": 4 << 20,
            "log.retention.check.interval.ms": 500,
            "log.initial.task.delay.ms": 200,
            "broker.session.timeout.ms": 6000,
            "num.network.threads": 1,
            "num.io.threads": 2,
        }


class Cluster:
    """Brokers that know each other, in a directory of their own."""

    def __init__(self, directory: Path, size: int) -> None:
        self.directory = directory
        self.id = "AAAAAAAAAAAAAAAAAAAAAQ"
        self.brokers: list[Broker] = []
        for number, ports in enumerate(_free_ports(size, 3), start=1):
            self.brokers.append(Broker(self, number, ports))

    @property
    def servers(self) -> str:
        """What clients need to know."""
        return ",".join(each.address for each in self.brokers)

    def start(self) -> None:
        """Format and start all; return when all serve."""
        for each in self.brokers:
            each.format()
            each.start()
        self.wait()

    def wait(self) -> None:
        """Until every broker that lives is known to the others as one that serves."""
        expected = {each.number for each in self.brokers if each.is_up}
        until(lambda: self._serving() >= expected, self._require_life)

    def stop(self) -> None:
        """Kill all."""
        for each in self.brokers:
            each.kill()

    def _serving(self) -> set[int]:
        return {each["broker_id"] for each in self._ask(lambda admin: admin.describe_cluster()["brokers"], [])}

    def _ask(self, question: Callable[[Any], Any], otherwise: Any) -> Any:
        """What those that live answer; `otherwise` where they do not."""
        living = [each.address for each in self.brokers if each.is_up]
        try:
            admin = KafkaAdminClient(bootstrap_servers=living, bootstrap_timeout_ms=2000, request_timeout_ms=2000)
        except errors.KafkaError:
            return otherwise
        try:
            return question(admin)
        except errors.KafkaError:
            return otherwise
        finally:
            admin.close()

    def _require_life(self) -> None:
        for each in self.brokers:
            if each._process is not None and not each.is_up:
                raise RuntimeError(f"broker {each.number} ended: {each.last_words}")


@contextmanager
def cluster(size: int = 1) -> Iterator[Cluster]:
    """A running cluster, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="attune-kafka-", ignore_cleanup_errors=True) as name:
        made = Cluster(Path(name), size)
        try:
            made.start()
            yield made
        finally:
            made.stop()


def delete_topics(servers: str) -> None:
    """Leave none of attune's topics."""
    admin = KafkaAdminClient(bootstrap_servers=servers.split(","))
    try:
        ours = [each for each in admin.list_topics() if each.startswith("attune.")]
        if ours:
            admin.delete_topics(ours)
        until(lambda: not any(each.startswith("attune.") for each in admin.list_topics()))
    finally:
        admin.close()


def until(
    condition: Callable[[], bool],
    meanwhile: Callable[[], None] = lambda: None,
    limit_s: float = _UP_S,
    look_s: float = 0.05,
) -> None:
    """Return as soon as the condition holds, which is looked at every `look_s` seconds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        meanwhile()
        if time.monotonic() > deadline:
            raise TimeoutError("the condition did not come to hold")
        time.sleep(look_s)


def _jars_given() -> Path | None:
    given = os.environ.get("ATTUNE_TEST_KAFKA_LIBS", "")
    return Path(given) if given else None


def _fetched() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME", "") or Path.home() / ".cache")
    return cache / "attune-tests" / f"kafka-{VERSION}"


def _java() -> list[str]:
    return ["java", *_JAVA, "-cp", f"{libs()}/*"]


def _free_ports(rows: int, columns: int) -> list[tuple[int, ...]]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(rows * columns)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return [tuple(ports[row * columns : (row + 1) * columns]) for row in range(rows)]
