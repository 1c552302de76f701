"""What ranking reads comes from beside the engine, and is at all times what the engine has."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attune.services.runtime.metrics import Metrics
from attune.services.search.index import slots
from attune.services.search.index.edge import EdgeEngine
from attune.services.search.index.edge_shelf import open_edge_index
from attune.services.search.index.generational import GenerationalIndex
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.passages import Passages
from attune.services.search.index.port import Document, IndexedDocument, Version
from attune.services.search.index.read_counts import counting_reads
from attune.services.search.index.settings import IndexSettings

IDENTITY = IndexIdentity("model-a", 8)
NOTHING_KEPT = IndexSettings(kept_bytes=0)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[GenerationalIndex]:
    opened = open_edge_index(tmp_path / "index", IDENTITY, settings=NOTHING_KEPT)
    yield opened
    opened.close()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which of its readings the engine is asked for."""
    calls: list[str] = []
    for name in ("payloads", "vectors"):

        def reading(*arguments: object, name: str = name, read: object = getattr(EdgeEngine, name)) -> object:
            calls.append(name)
            return read(*arguments)  # type: ignore[operator]

        monkeypatch.setattr(EdgeEngine, name, reading)
    return calls


def vectors(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)


def put(index: GenerationalIndex, *documents: Document, seed: int = 0, version: Version | None = None) -> np.ndarray:
    rows = vectors(len(documents), seed)
    index.upsert("acme", [IndexedDocument.of(each, version=version) for each in documents], rows)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def domains(index: GenerationalIndex, ids: Sequence[str], principals: Sequence[str] | None = None) -> dict[str, str]:
    return {id_: each.domain for id_, each in index.to_rank("acme", ids, principals).documents.items()}


def find(index: GenerationalIndex) -> list[str]:
    return [each.id for each in index.dense("acme", vectors(1)[0], 10)]


def test_what_a_search_found_is_ranked_without_the_engine(index: GenerationalIndex, asked: list[str]) -> None:
    rows = put(index, Document("1", "t", "a word", "law"), Document("2", "t", "another word", "medicine"))
    assert sorted(find(index)) == ["1", "2"]
    asked.clear()
    assert index.to_rank("acme", ["1", "2", "3"]).documents["1"] == Document("1", "", "", "law")
    assert asked == ["payloads"]  # for the third
    asked.clear()
    assert domains(index, ["1", "2"]) == {"1": "law", "2": "medicine"}
    found = index.vectors("acme", ["1", "2"])
    along = index.to_rank("acme", ["1", "2"]).vectors
    assert not asked
    assert {id_: each.vector.tolist() for id_, each in along.items()} == {k: v.tolist() for k, v in found.items()}
    assert found["1"] == pytest.approx(rows[0])
    assert found["2"] == pytest.approx(rows[1])


def test_bm25_tells_what_it_found_too(index: GenerationalIndex, asked: list[str]) -> None:
    put(index, Document("1", "t", "a word", "law"))
    index.bm25("acme", "word", 10)
    asked.clear()
    assert domains(index, ["1"]) == {"1": "law"}
    assert not asked


def test_what_no_search_found_is_read_from_the_engine(index: GenerationalIndex, asked: list[str]) -> None:
    put(index, Document("1", "", "", "law"))
    asked.clear()
    assert domains(index, ["1"]) == {"1": "law"}
    assert index.vectors("acme", ["1"]).keys() == {"1"}
    assert asked == ["payloads", "vectors"]


def test_texts_are_always_the_engines(index: GenerationalIndex) -> None:
    put(index, Document("1", "title", "text", "law"))
    find(index)
    assert index.get("acme", "1") == Document("1", "title", "text", "law")


def test_after_each_write_what_was_written_is_read(index: GenerationalIndex) -> None:
    put(index, Document("1", "", "", "law"), Document("2", "", "", "law"))
    find(index)
    rows = put(index, Document("1", "", "", "medicine"), seed=1)
    assert domains(index, ["1", "2"]) == {"1": "medicine", "2": "law"}
    find(index)
    assert domains(index, ["1", "2"]) == {"1": "medicine", "2": "law"}
    assert index.vectors("acme", ["1"])["1"] == pytest.approx(rows[0])
    index.delete("acme", ["2"])
    assert domains(index, ["1", "2"]) == {"1": "medicine"}
    assert index.vectors("acme", ["1", "2"]).keys() == {"1"}


def test_what_was_refused_as_older_is_not_read(index: GenerationalIndex) -> None:
    new = put(index, Document("1", "", "", "law"), version=Version(0, 7, 1000))
    put(index, Document("1", "", "", "medicine"), seed=1, version=Version(0, 6, 999))
    for _ in range(2):
        find(index)
        assert domains(index, ["1"]) == {"1": "law"}
        assert index.vectors("acme", ["1"])["1"] == pytest.approx(new[0])


def test_what_was_refused_is_not_in_the_files(tmp_path: Path) -> None:
    index = open_edge_index(tmp_path, IDENTITY, settings=NOTHING_KEPT)
    put(index, Document("1", "", "", "unheard-of"), version=Version(0, 5, 1000))
    assert is_in_files(tmp_path, "unheard-of")
    index.retire("acme", {"1": Version(0, 6, 1001)})
    assert not is_in_files(tmp_path, "unheard-of")
    put(index, Document("1", "", "", "unheard-of"), version=Version(0, 5, 1000))
    building = index.create_generation()
    index.delete("acme", ["2"])
    index.feed(building.name).upsert("acme", [IndexedDocument.of(Document("2", "", "", "unheard-of"))], vectors(1))
    assert not is_in_files(tmp_path, "unheard-of")
    index.feed(building.name).upsert("acme", [IndexedDocument.of(Document("3", "", "", "unheard-of"))], vectors(1))
    assert is_in_files(tmp_path, "unheard-of")
    index.close()


def is_in_files(path: Path, words: str) -> bool:
    return any(words.encode() in each.read_bytes() for each in path.glob("forward*/*.slots"))


def test_what_several_write_at_once_is_read_as_the_engine_has_it(index: GenerationalIndex) -> None:
    def change(seed: int) -> None:
        for number in range(15):
            put(index, Document("1", "", "", f"{seed}-{number}"), seed=seed)
            if number % 5 == 4:
                index.delete("acme", ["1"])
            find(index)
            domains(index, ["1"])
            index.vectors("acme", ["1"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(change, range(4)))
    put(index, Document("1", "", "", "last"), seed=9)
    find(index)
    along = index.to_rank("acme", ["1"])
    assert along.documents["1"].domain == "last"
    assert along.vectors["1"].vector == pytest.approx(vectors(1, 9)[0] / np.linalg.norm(vectors(1, 9)[0]))


def test_a_long_document_is_ranked_by_its_own_vector_and_its_passages(
    index: GenerationalIndex, asked: list[str]
) -> None:
    rows = vectors(3, 4)
    long = Document("1", "", "some long text", "law")
    indexed = IndexedDocument.of(long)
    index.upsert("acme", [indexed], rows[:1], {"1": Passages(((0, 4), (5, 14)), rows[1:])})
    assert [each.id for each in index.dense("acme", rows[2], 10)] == ["1"]
    asked.clear()
    along = index.to_rank("acme", ["1"])
    assert not asked
    assert along.documents == {"1": Document("1", "", "", "law")}
    assert along.vectors["1"].vector == pytest.approx(rows[0] / np.linalg.norm(rows[0]))
    assert index.get("acme", "1") == replace(long, spans=((0, 4), (5, 14)))


def test_a_forward_index_that_cannot_be_made_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(slots, "_mapped", full)
    index = open_edge_index(tmp_path, IDENTITY, settings=NOTHING_KEPT)
    rows = put(index, Document("1", "", "", "law"))
    building = index.create_generation()
    put(index, Document("2", "", "", "medicine"))
    assert sorted(find(index)) == ["1", "2"]
    assert domains(index, ["1", "2"]) == {"1": "law", "2": "medicine"}
    assert index.vectors("acme", ["1"])["1"] == pytest.approx(rows[0])
    index.drop_generation(building.name)
    index.delete("acme", ["1"])
    assert domains(index, ["1", "2"]) == {"2": "medicine"}
    index.close()


def test_who_may_not_see_a_document_does_not_read_it(index: GenerationalIndex) -> None:
    put(index, Document("1", "", "", "law", principals=("board",)))
    find(index)
    assert domains(index, ["1"], ["board"]) == {"1": "law"}
    assert domains(index, ["1"], ["staff"]) == domains(index, ["1"], []) == {}


def test_an_index_of_before_is_read_from_the_engine_once(tmp_path: Path, asked: list[str]) -> None:
    index = open_edge_index(tmp_path, IDENTITY, settings=NOTHING_KEPT)
    rows = put(index, Document("1", "", "", "law"))
    index.close()
    for each in (tmp_path / "forward").iterdir():
        each.unlink()
    index = open_edge_index(tmp_path, IDENTITY, settings=NOTHING_KEPT)
    find(index)
    asked.clear()
    assert domains(index, ["1"]) == {"1": "law"}
    assert index.vectors("acme", ["1"])["1"] == pytest.approx(rows[0])
    assert asked == ["payloads", "vectors"]
    assert domains(index, ["1"]) == {"1": "law"}
    assert index.vectors("acme", ["1"])["1"] == pytest.approx(rows[0])
    assert asked == ["payloads", "vectors"]
    index.close()


def test_it_is_counted_what_came_from_where(tmp_path: Path) -> None:
    metrics = Metrics()
    index = open_edge_index(tmp_path, IDENTITY, settings=NOTHING_KEPT, count=counting_reads(metrics))

    def counted(part: str) -> list[float]:
        origins = ({"part": part, "origin": origin} for origin in ("forward_index", "engine"))
        values = (metrics.registry.get_sample_value("attune_index_ranking_reads_total", each) for each in origins)
        return [value or 0.0 for value in values]

    put(index, Document("1", "", "", "law"), Document("2", "", "", "law"))
    domains(index, ["1"])
    index.vectors("acme", ["1", "gone"])
    assert (counted("payload"), counted("vector")) == ([0, 1], [0, 1])
    find(index)
    domains(index, ["1", "2", "gone"])  # with their vectors
    assert (counted("payload"), counted("vector")) == ([2, 1], [2, 1])
    index.vectors("acme", ["2"])
    assert (counted("payload"), counted("vector")) == ([2, 1], [3, 1])
    index.close()


def test_what_was_read_before_a_write_is_not_written_after_it(
    index: GenerationalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(index, Document("1", "", "", "law"))
    read = EdgeEngine.vectors

    def overtaken(engine: EdgeEngine, ids: Sequence[str], fields: Sequence[str]) -> object:
        found = list(read(engine, ids, fields))
        monkeypatch.undo()
        put(index, Document("1", "", "", "medicine"), seed=1)
        find(index)
        return found

    monkeypatch.setattr(EdgeEngine, "vectors", overtaken)
    index.vectors("acme", ["1"])
    find(index)
    written = vectors(1, 1)[0] / np.linalg.norm(vectors(1, 1)[0])
    along = index.to_rank("acme", ["1"])
    assert along.documents["1"].domain == "medicine"
    assert along.vectors["1"].vector == pytest.approx(
        written
    )  # from the slot, which the engine's row of before has not
    assert index.vectors("acme", ["1"])["1"] == pytest.approx(written)


def test_a_write_that_fails_halfway_forgets(index: GenerationalIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    put(index, Document("1", "", "", "law"))
    find(index)
    write = EdgeEngine.put

    def failing(engine: EdgeEngine, points: Sequence[object]) -> None:
        write(engine, points)  # type: ignore[arg-type]
        raise OSError("the disk went away")

    monkeypatch.setattr(EdgeEngine, "put", failing)
    with pytest.raises(OSError, match="went away"):
        put(index, Document("1", "", "", "medicine"), seed=1)
    assert domains(index, ["1"]) == {"1": "medicine"}


def test_forward_indexes_of_no_generation_are_deleted_at_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "forward-9").mkdir(parents=True)
    (tmp_path / "forward-9" / "2560.slots").write_bytes(b"x")
    open_edge_index(tmp_path, IDENTITY).close()
    assert [each.name for each in tmp_path.glob("forward*")] == ["forward"]


def test_each_generation_has_its_own_and_takes_it_along(tmp_path: Path) -> None:
    index = open_edge_index(tmp_path, IDENTITY, settings=NOTHING_KEPT)
    put(index, Document("1", "", "", "law"))
    building = index.create_generation()
    indexed = IndexedDocument.of(Document("1", "", "", "medicine"))
    index.feed(building.name).upsert("acme", [indexed], vectors(1, 1))
    find(index)
    assert domains(index, ["1"]) == {"1": "law"}
    index.activate_generation(building.name)
    find(index)
    assert domains(index, ["1"]) == {"1": "medicine"}
    assert [each.name for each in tmp_path.glob("forward*")] == [f"forward-{building.name}"]
    index.close()


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from attune.services.search.index.edge_shelf import open_edge_index
from attune.services.search.index.forward_index import ForwardIndex
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.port import Document, IndexedDocument

def put(domain, seed):
    vectors = np.random.default_rng(seed).standard_normal((1, 8)).astype(np.float32)
    index.upsert("acme", [IndexedDocument.of(Document("1", "", "", domain))], vectors)

index = open_edge_index(Path(sys.argv[1]), IndexIdentity("model-a", 8))
put("law", 0)
setattr(ForwardIndex, sys.argv[2], lambda *_: os.kill(os.getpid(), signal.SIGKILL))
put("medicine", 1)
"""


@pytest.mark.parametrize("at", ["remove", "write"])
def test_a_process_that_was_killed_while_it_wrote_leaves_what_the_engine_has(tmp_path: Path, at: str) -> None:
    # S603: the command is this interpreter and the script above.
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path, at], check=False, capture_output=True)  # noqa: S603
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    index = open_edge_index(tmp_path, IDENTITY, settings=NOTHING_KEPT)
    for _ in range(2):
        find(index)
        assert domains(index, ["1"]) == {"1": "medicine"}
        assert index.vectors("acme", ["1"])["1"] == pytest.approx(vectors(1, 1)[0] / np.linalg.norm(vectors(1, 1)[0]))
    index.close()
