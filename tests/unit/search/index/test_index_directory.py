"""The directory of an embedded index: lock, manifest, and what a crash may leave."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from attune.services.search.index.directory import IndexDirectory
from attune.services.search.index.edge_shelf import open_edge_index
from attune.services.search.index.errors import IndexLockedError, IndexMismatchError
from attune.services.search.index.identity import IndexIdentity, require_same

IDENTITY = IndexIdentity("model-a", 384)


def test_a_missing_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    open_edge_index(tmp_path / "a" / "b", IDENTITY).close()
    manifest = json.loads((tmp_path / "a" / "b" / "attune-index.json").read_text())
    assert manifest == {"schema": 1, "model_id": "model-a", "dimension": 384, "bm25_average_length": 100.0} | {
        "fields": {}
    }


def test_the_same_identity_is_admitted_again(tmp_path: Path) -> None:
    for _ in range(2):
        open_edge_index(tmp_path, IDENTITY).close()


def test_another_holder_is_refused_until_release(tmp_path: Path) -> None:
    directory = IndexDirectory(tmp_path)
    with pytest.raises(IndexLockedError, match=f"the index in {tmp_path} is open in another process: stop that one"):
        IndexDirectory(tmp_path)
    directory.release()
    IndexDirectory(tmp_path).release()


def test_another_process_is_refused(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path\n"
    script += "from attune.services.search.index.directory import IndexDirectory\n"
    script += "IndexDirectory(Path(sys.argv[1]))"
    directory = IndexDirectory(tmp_path)
    # S603: the command is this interpreter and the script above.
    refused = subprocess.run([sys.executable, "-c", script, tmp_path], check=False, capture_output=True, text=True)  # noqa: S603
    assert refused.returncode == 1
    assert f"IndexLockedError: the index in {tmp_path} is open" in refused.stderr
    directory.release()


def test_a_lock_file_left_by_a_dead_process_does_not_lock(tmp_path: Path) -> None:
    (tmp_path / "attune-index.lock").touch()
    IndexDirectory(tmp_path).release()


def test_release_frees_the_lock_itself(tmp_path: Path) -> None:
    IndexDirectory(tmp_path).release()
    descriptor = os.open(tmp_path / "attune-index.lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "attune-index.json is not JSON"),
        ("{", "attune-index.json is not JSON"),
        ("[1]", "attune-index.json is not a JSON object"),
        ("{}", "schema None"),
        ('{"schema": 2, "model_id": "model-a", "dimension": 384, "bm25_average_length": 100.0}', "schema 2"),
    ],
)
def test_a_damaged_or_newer_manifest_is_named(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "attune-index.json").write_text(content)
    with pytest.raises(IndexMismatchError, match=problem) as caught:
        open_edge_index(tmp_path, IDENTITY)
    assert str(tmp_path) in str(caught.value)
    assert "index the documents again" in str(caught.value)
    assert (tmp_path / "attune-index.json").read_text() == content


def test_bytes_that_are_not_utf8_are_a_damaged_manifest(tmp_path: Path) -> None:
    (tmp_path / "attune-index.json").write_bytes(b"\xff\xfe")
    with pytest.raises(IndexMismatchError, match=r"attune-index\.json is not JSON"):
        open_edge_index(tmp_path, IDENTITY)


def test_a_shard_without_a_manifest_is_kept_and_refused(tmp_path: Path) -> None:
    (tmp_path / "shard").mkdir()
    with pytest.raises(
        IndexMismatchError, match=r"attune-index.json is missing, so the model of this index is unknown"
    ):
        open_edge_index(tmp_path, IDENTITY)
    assert (tmp_path / "shard").exists()
    assert not (tmp_path / "attune-index.json").exists()


def test_a_manifest_half_written_by_a_crash_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "attune-index.new").write_text('{"schema"')
    open_edge_index(tmp_path, IDENTITY).close()
    assert json.loads((tmp_path / "attune-index.json").read_text())["model_id"] == "model-a"
    assert not (tmp_path / "attune-index.new").exists()


def test_a_file_in_place_of_the_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "index").touch()
    with pytest.raises(FileExistsError):
        IndexDirectory(tmp_path / "index")


def test_a_mismatch_names_every_field_that_differs_and_no_other() -> None:
    found = IDENTITY.to_manifest() | {"model_id": "other", "dimension": 768}
    with pytest.raises(IndexMismatchError) as caught:
        require_same(IDENTITY, found, where="the index in x", mend="mend it")
    assert str(caught.value) == (
        "the index in x was written with model_id 'other' (this service: 'model-a'), "
        "dimension 768 (this service: 384): mend it"
    )


def test_whole_numbers_equal_the_floats_they_were() -> None:
    require_same(IDENTITY, IDENTITY.to_manifest() | {"bm25_average_length": 100}, where="x", mend="y")


def test_fields_of_later_versions_are_ignored() -> None:
    require_same(IDENTITY, IDENTITY.to_manifest() | {"comment": "hi"}, where="x", mend="y")


def test_what_a_crash_left_of_a_generation_is_deleted_and_what_serves_is_not(tmp_path: Path) -> None:
    open_edge_index(tmp_path, IDENTITY).close()
    for left in ("shard-2", "shard-3.new", "shard.new"):
        (tmp_path / left).mkdir()
        (tmp_path / left / "file").touch()
    open_edge_index(tmp_path, IDENTITY).close()
    assert {each.name for each in tmp_path.glob("shard*")} == {"shard"}


def test_the_manifest_of_before_generations_is_that_of_the_first(tmp_path: Path) -> None:
    opened = open_edge_index(tmp_path, IDENTITY)
    assert [each.name for each in opened.generations()] == ["1"]
    opened.close()
    manifest = tmp_path / "attune-index.json"
    manifest.write_text(json.dumps(IDENTITY.to_manifest()))
    again = open_edge_index(tmp_path, IDENTITY)
    assert again.create_generation().name == "2"
    again.close()
