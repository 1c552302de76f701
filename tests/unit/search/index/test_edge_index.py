"""What only the embedded engine does: survives a killed process, locks its directory, recovers from half a start."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import qdrant_edge

from attune.services.search.index import edge
from attune.services.search.index.edge_shelf import open_edge_index
from attune.services.search.index.errors import IndexLockedError, IndexMismatchError
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.port import Document, IndexedDocument
from attune.services.search.index.qdrant import QdrantIndex
from attune.services.search.index.settings import IndexSettings

IDENTITY = IndexIdentity("model-a", 8)

WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
import numpy as np
from attune.services.search.index.edge_shelf import open_edge_index
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.port import Document, IndexedDocument

index = open_edge_index(Path(sys.argv[1]), IndexIdentity("model-a", 8))
rng = np.random.default_rng(0)
for batch in range(3):
    documents = [Document(f"{batch}-{i}", "", f"word{i}", "d") for i in range(200)]
    vectors = rng.standard_normal((200, 8)).astype(np.float32)
    index.upsert("acme", [IndexedDocument.of(each) for each in documents], vectors)
index.delete("acme", ["0-0", "1-0"])
os.kill(os.getpid(), signal.SIGKILL)
"""


def write(index: QdrantIndex, *documents: Document) -> None:
    vectors = np.random.default_rng(0).standard_normal((len(documents), 8)).astype(np.float32)
    index.upsert("acme", [IndexedDocument.of(each) for each in documents], vectors)


def document(document_id: str, text: str = "word") -> Document:
    return Document(document_id, "", text, "d")


def test_a_killed_process_loses_nothing_it_had_written(tmp_path: Path) -> None:
    # S603: the command is this interpreter and the script above.
    killed = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, tmp_path], check=False, capture_output=True)  # noqa: S603
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    index = open_edge_index(tmp_path, IDENTITY)
    assert index.count("acme") == 598
    vectors = np.random.default_rng(0).standard_normal((600, 8)).astype(np.float32)
    assert [each.id for each in index.dense("acme", vectors[457], 1)] == ["2-57"]
    assert [each.id for each in index.bm25("acme", "word0", 10)] == ["2-0"]
    index.close()


def test_the_directory_is_locked_while_open(tmp_path: Path) -> None:
    index = open_edge_index(tmp_path, IDENTITY)
    with pytest.raises(IndexLockedError, match=f"the index in {tmp_path} is open in another process"):
        open_edge_index(tmp_path, IDENTITY)
    write(index, document("1"))
    index.close()
    reopened = open_edge_index(tmp_path, IDENTITY)
    assert reopened.count("acme") == 1
    reopened.close()


def test_a_refused_opening_leaves_no_lock(tmp_path: Path) -> None:
    open_edge_index(tmp_path, IDENTITY).close()
    with pytest.raises(IndexMismatchError):
        open_edge_index(tmp_path, IndexIdentity("model-b", 8))
    open_edge_index(tmp_path, IDENTITY).close()


def test_a_shard_half_made_by_a_crash_is_made_anew(tmp_path: Path) -> None:
    open_edge_index(tmp_path, IDENTITY).close()
    (tmp_path / "shard").rename(tmp_path / "shard.new")
    (tmp_path / "shard.new" / "edge_config.json").unlink()
    index = open_edge_index(tmp_path, IDENTITY)
    write(index, document("1"))
    assert index.count("acme") == 1
    assert not (tmp_path / "shard.new").exists()
    index.close()


def test_tenant_and_domain_are_indexed_fields(tmp_path: Path) -> None:
    open_edge_index(tmp_path, IDENTITY).close()
    shard = qdrant_edge.EdgeShard.load(str(tmp_path / "shard"))
    schema = shard.info().payload_schema
    shard.close()
    assert set(schema) == {"tenant", "domain", "principals", "languages"}
    tenant = schema["tenant"].params
    assert isinstance(tenant, qdrant_edge.KeywordIndexParams)
    assert tenant.is_tenant


def test_readers_and_writers_may_be_many_threads(tmp_path: Path) -> None:
    index = open_edge_index(tmp_path, IDENTITY)
    write(index, *(document(f"fixed-{i}", "anchor") for i in range(20)))
    failures: list[BaseException] = []

    def writer(name: str) -> None:
        for i in range(20):
            write(index, *(document(f"{name}-{i}-{j}") for j in range(5)))
            assert index.delete("acme", [f"{name}-{i}-0"]) == 1

    def reader() -> None:
        for _ in range(50):
            assert len(index.bm25("acme", "anchor", 100)) == 20
            assert len(index.dense("acme", np.ones(8, np.float32), 20)) == 20

    run_together(failures, lambda: writer("a"), lambda: writer("b"), reader, reader)
    assert failures == []
    assert index.count("acme") == 20 + 2 * 20 * 4
    index.close()


def test_two_deletions_of_one_document_count_it_once(tmp_path: Path) -> None:
    index = open_edge_index(tmp_path, IDENTITY)
    names = [str(i) for i in range(100)]
    write(index, *map(document, names))
    counts: list[int] = []
    failures: list[BaseException] = []
    delete_all = [lambda: counts.extend(index.delete("acme", [name]) for name in names)] * 4
    run_together(failures, *delete_all)
    assert failures == []
    assert sum(counts) == 100
    index.close()


def run_together(failures: list[BaseException], *tasks: Callable[[], None]) -> None:
    start = threading.Barrier(len(tasks))

    def run(task: Callable[[], None]) -> None:
        start.wait()
        try:
            task()
        except BaseException as error:  # noqa: BLE001 -- a thread's failure is the test's
            failures.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_the_log_shrinks_by_itself_while_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "_POINTS_PER_FLUSH", 32)
    index = open_edge_index(tmp_path, IDENTITY)
    for _ in range(8):
        write(index, *(document(str(i), "x" * 1_000_000) for i in range(16)))
    log = sum(each.stat().st_size for each in (tmp_path / "shard" / "wal").iterdir())
    assert log < 120 << 20  # Unflushed, these 128 MB take 160 MiB.
    index.close()


def test_int8_vectors_are_scored_again_by_the_whole_ones(tmp_path: Path) -> None:
    identity, settings = IndexIdentity("model-a", 128), IndexSettings(scanned_kib=1024, is_quantized=True)
    vectors = np.random.default_rng(0).standard_normal((3000, 128)).astype(np.float32)
    index = open_edge_index(tmp_path, identity, settings=settings)
    index.upsert("acme", [IndexedDocument.of(document(str(i))) for i in range(3000)], vectors)
    assert index.settle(60)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for query in unit[:5]:
        found = index.dense("acme", query, 10)
        np.testing.assert_allclose([each.score for each in found], np.sort(unit @ query)[:-11:-1], atol=1e-5)
    index.close()
    assert any(each.name.startswith("quantized") for each in tmp_path.rglob("*"))
