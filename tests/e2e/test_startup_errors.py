"""What attune cannot start without: each failure is one sentence that names the file or setting, and the mend."""

import asyncio
import json
import os
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.e2e.conftest import config_in, wait_until
from tests.e2e.material import catalog_lines, reading
from tests.e2e.process import attune, environment, up

from attune.embeddings.errors import ModelError
from attune.knowledge_store.catalog import CatalogError
from attune.knowledge_store.store import StoreError
from attune.services.cli.system import start_system
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config, ConfigError, RoleName
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.events import TOPIC, to_entry
from attune.services.search.index.errors import IndexMismatchError

pytestmark = pytest.mark.e2e


async def start_error(config: Config, *roles: RoleName) -> Exception:
    """What starting these roles must fail with."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the callers look at its type
        await start_system(config, roles, system_clock)
    return caught.value


def assert_one_sentence(text: str, *named: object) -> None:
    assert "\n" not in text.strip()
    assert 20 < len(text) < 400
    for each in named:
        assert str(each) in text


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


class TestTheSearchRole:
    """It asks the embedding role for its model, and opens the index for that one alone."""

    @pytest.fixture
    def config(self, tmp_path: Path, system) -> Config:
        return config_in(tmp_path, embedding_address=system.config.embedding_address)

    def write_manifest(self, config: Config, **changes: object) -> Path:
        path = config.data_dir / "index" / "attune-index.json"
        path.parent.mkdir()
        manifest = {"schema": 1, "model_id": "other@1", "dimension": 384, "bm25_average_length": 100.0} | changes
        path.write_text(json.dumps(manifest))
        return path

    async def test_an_index_of_another_model_is_left_alone(self, config: Config) -> None:
        manifest = self.write_manifest(config)
        before = manifest.read_bytes()
        error = await start_error(config, RoleName.SEARCH)
        assert isinstance(error, IndexMismatchError)
        assert_one_sentence(
            str(error), config.data_dir / "index", "'other@1'", "all-MiniLM-L6-v2", "index the documents"
        )
        assert manifest.read_bytes() == before

    async def test_an_index_of_another_dimension_is_left_alone(self, config: Config) -> None:
        self.write_manifest(config, dimension=768)
        error = await start_error(config, RoleName.SEARCH)
        assert isinstance(error, IndexMismatchError)
        assert_one_sentence(str(error), "dimension 768", "384")

    async def test_a_damaged_manifest_is_named(self, config: Config) -> None:
        manifest = self.write_manifest(config)
        manifest.write_text("{")
        error = await start_error(config, RoleName.SEARCH)
        assert isinstance(error, IndexMismatchError)
        assert_one_sentence(str(error), manifest)

    async def test_a_directory_in_use_is_refused_and_free_again_afterwards(self, config: Config) -> None:
        first = await start_system(config, [RoleName.SEARCH], system_clock)
        error = await start_error(config, RoleName.SEARCH)
        await first.stop()
        assert isinstance(error, ConfigError)
        assert_one_sentence(str(error), config.data_dir, f"process {os.getpid()}", "search role", "ATTUNE_DATA_DIR")
        again = await start_system(config, [RoleName.SEARCH], system_clock)
        await again.stop()

    async def test_a_failed_start_lets_go_of_what_it_held(self, config: Config, taken_port: int) -> None:
        refused = config.model_copy(update={"search_port": taken_port})
        assert isinstance(await start_error(refused, RoleName.SEARCH), ConfigError)
        again = await start_system(config, [RoleName.SEARCH], system_clock)
        await again.stop()


class TestTheKnowledgeRole:
    async def test_a_store_with_a_newer_schema_is_left_alone(self, tmp_path: Path) -> None:
        config = config_in(tmp_path)
        system = await start_system(config, [RoleName.KNOWLEDGE], system_clock)
        await system.stop()
        store = tmp_path / "knowledge.sqlite"
        with sqlite3.connect(store) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
        error = await start_error(config, RoleName.KNOWLEDGE)
        assert isinstance(error, StoreError)
        assert_one_sentence(str(error), store, "schema 99", "upgrade attune")

    async def test_a_database_of_somebody_else_is_left_alone(self, tmp_path: Path) -> None:
        config = config_in(tmp_path)
        with sqlite3.connect(tmp_path / "knowledge.sqlite") as connection:
            connection.execute("CREATE TABLE theirs (x)")
        connection.close()
        error = await start_error(config, RoleName.KNOWLEDGE)
        assert isinstance(error, StoreError)
        assert_one_sentence(str(error), tmp_path / "knowledge.sqlite", "not a knowledge store")

    async def test_a_store_that_is_no_database_is_left_alone(self, tmp_path: Path) -> None:
        config = config_in(tmp_path)
        (tmp_path / "knowledge.sqlite").write_bytes(b"not a database at all" * 100)
        error = await start_error(config, RoleName.KNOWLEDGE)
        assert isinstance(error, StoreError)
        assert_one_sentence(str(error), tmp_path / "knowledge.sqlite")

    @pytest.mark.parametrize(
        ("line", "named"),
        [
            (b"{broken", "line 2"),
            (b'["a list"]', "line 2"),
            (b'{"id": "x"}', "field label"),
            (b'{"id": 7, "label": "x"}', "field id"),
            (b'{"id": "asyncio", "label": "x"}', "there already"),
            (b'{"id": "x", "label": "\xff"}', "UTF-8"),
            (b'{"id": "x", "label": "x", "links": ["y"]}', "field links"),
        ],
    )
    async def test_a_broken_line_of_the_catalog_is_named(self, tmp_path: Path, line: bytes, named: str) -> None:
        config = config_in(tmp_path)
        config.catalog.write_bytes(b'{"id": "asyncio", "label": "asyncio"}\n' + line + b"\n")
        error = await start_error(config, RoleName.KNOWLEDGE)
        assert isinstance(error, CatalogError)
        assert_one_sentence(str(error), config.catalog, "line 2", named)

    async def test_a_catalog_that_is_named_must_exist(self, tmp_path: Path) -> None:
        config = config_in(tmp_path, catalog_path=tmp_path / "nowhere.jsonl")
        error = await start_error(config, RoleName.KNOWLEDGE)
        assert isinstance(error, CatalogError)
        assert_one_sentence(str(error), tmp_path / "nowhere.jsonl")

    @pytest.mark.parametrize("role", [RoleName.KNOWLEDGE, RoleName.INGEST, RoleName.SUGGESTION])
    async def test_a_port_that_is_taken_is_named_with_its_setting(
        self, tmp_path: Path, role: RoleName, taken_port: int
    ) -> None:
        config = config_in(tmp_path, **{f"{role}_port": taken_port})
        error = await start_error(config, role)
        assert isinstance(error, ConfigError)
        assert_one_sentence(str(error), f"127.0.0.1:{taken_port}", f"ATTUNE_{role.upper()}_PORT", "free port")

    @pytest.mark.parametrize("content", [b"", b"[]", b'{"token": 1}', b'{"token": ""}', b"{", b"\xff\xfe"])
    async def test_a_broken_tokens_file_is_named(self, tmp_path: Path, content: bytes) -> None:
        tokens = tmp_path / "tokens.json"
        tokens.write_bytes(content)
        error = await start_error(config_in(tmp_path, tokens_file=tokens), RoleName.KNOWLEDGE)
        assert isinstance(error, ConfigError)
        assert_one_sentence(str(error), "ATTUNE_TOKENS_FILE", tokens, "JSON object")

    async def test_a_tokens_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        error = await start_error(config_in(tmp_path, tokens_file=tmp_path / "none.json"), RoleName.KNOWLEDGE)
        assert isinstance(error, ConfigError)
        assert_one_sentence(str(error), "ATTUNE_TOKENS_FILE", tmp_path / "none.json", "cannot be read")


class TestTheIngestRole:
    async def test_a_store_that_is_ahead_of_the_log_is_not_touched(self, tmp_path: Path) -> None:
        config = config_in(tmp_path)
        events = reading("ada", "asyncio.gather")
        events[0].tenant_id = "default"
        log = LocalEventLog(tmp_path / "events")
        log.append(TOPIC, [to_entry(each) for each in events], datetime.now(UTC))
        system = await start_system(config, [RoleName.KNOWLEDGE, RoleName.INGEST], system_clock)
        with Client(Addresses.of(system.config)) as client:
            await asyncio.to_thread(wait_until, lambda: client.profile("ada").applied_offset == 1)
        await system.stop()
        (tmp_path / "events").rename(tmp_path / "events.lost")
        error = await start_error(config, RoleName.INGEST)
        assert isinstance(error, ConfigError)
        assert_one_sentence(str(error), "knowledge store", "up to 1", "ends at 0", "put the log back")


class TestTheEmbeddingRole:
    async def test_a_model_path_that_does_not_exist_is_named(self, tmp_path: Path) -> None:
        error = await start_error(config_in(tmp_path, model_path=tmp_path / "no-model"), RoleName.EMBEDDING)
        assert isinstance(error, ModelError)
        assert_one_sentence(str(error), tmp_path / "no-model")

    async def test_a_directory_that_is_no_model_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        error = await start_error(config_in(tmp_path, model_path=tmp_path / "empty"), RoleName.EMBEDDING)
        assert isinstance(error, ModelError)
        assert_one_sentence(str(error), tmp_path / "empty", "config.json")


def broken_catalog(directory: Path) -> dict[str, object]:
    (directory / "catalog.jsonl").write_text("{broken\n")
    return {}


def broken_tokens(directory: Path) -> dict[str, object]:
    (directory / "tokens.json").write_text("[]")
    return {"tokens_file": directory / "tokens.json"}


def impossible_setting(_directory: Path) -> dict[str, object]:
    return {"entities_per_user": "many"}


@pytest.mark.parametrize(
    ("prepare", "named"),
    [
        (broken_catalog, "catalog.jsonl, line 1"),
        (broken_tokens, "ATTUNE_TOKENS_FILE"),
        (impossible_setting, "ATTUNE_ENTITIES_PER_USER"),
    ],
)
def test_attune_up_says_it_in_one_sentence_and_exits_with_1(
    tmp_path: Path, prepare: Callable[[Path], dict[str, object]], named: str
) -> None:
    settings = prepare(tmp_path)
    ended = attune("up", "--role", "knowledge", "--json", env=environment(tmp_path, **settings))
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("attune: ")
    assert_one_sentence(ended.stderr, named)
    assert "Traceback" not in ended.stderr


def assert_ended_with(ended: subprocess.CompletedProcess[str], *named: object) -> None:
    """Status 1, one sentence of ours, and no line of a library's."""
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("attune: ")
    assert_one_sentence(ended.stderr, *named)


@pytest.mark.parametrize("role", ["knowledge", "metrics"])
def test_attune_up_names_the_setting_of_a_taken_port(tmp_path: Path, taken_port: int, role: str) -> None:
    settings = {f"{role}_port": taken_port}
    ended = attune("up", "--role", "knowledge", "--json", env=environment(tmp_path, **settings))
    assert_ended_with(ended, f"127.0.0.1:{taken_port}", f"ATTUNE_{role.upper()}_PORT", "free port")


def test_a_port_is_refused_before_anything_is_loaded(tmp_path: Path, taken_port: int) -> None:
    settings = {"search_port": taken_port, "model_path": tmp_path / "no-model"}
    assert_ended_with(attune("up", "--json", env=environment(tmp_path, **settings)), "ATTUNE_SEARCH_PORT")


def test_two_roles_on_one_port_are_refused_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as made:
        port = made.getsockname()[1]
    config = config_in(tmp_path, knowledge_port=port, suggestion_port=port)
    error = asyncio.run(start_error(config, RoleName.KNOWLEDGE, RoleName.SUGGESTION))
    assert isinstance(error, ConfigError)
    assert_one_sentence(str(error), f"127.0.0.1:{port}", "ATTUNE_SUGGESTION_PORT")


def test_a_second_process_on_a_data_directory_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    (tmp_path / "catalog.jsonl").write_text(catalog_lines())
    role = ("--role", "knowledge")
    with up(tmp_path, *role) as first:
        ended = attune("up", "--json", env=environment(tmp_path, model_path=tmp_path / "no-model"))
        assert_ended_with(ended, tmp_path, f"process {first.pid}", "ATTUNE_DATA_DIR")
        first.kill()
        with up(tmp_path, *role) as second:
            second.ask_to_stop()
            assert second.exit_status() == 0
