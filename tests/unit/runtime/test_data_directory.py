import os
import subprocess
import sys
from pathlib import Path

import pytest

from attune.services.runtime.config import Config, ConfigError, RoleName
from attune.services.runtime.data_directory import DataDirectory

HOLDER = """
import sys
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.data_directory import DataDirectory
held = DataDirectory.lock(Config(data_dir=sys.argv[1]), list(RoleName))
print("held", flush=True)
sys.stdin.read()
"""
KEEPING_FILES = [RoleName.KNOWLEDGE, RoleName.INGEST, RoleName.SEARCH]


def test_a_second_holder_is_refused_in_a_sentence_with_the_mend(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path / "new")
    held = DataDirectory.lock(config, list(RoleName))
    for role in KEEPING_FILES:
        with pytest.raises(ConfigError) as refused:
            DataDirectory.lock(config, [role])
        assert str(refused.value) == (
            f"{tmp_path / 'new'} is in use: process {os.getpid()} runs the {role} role there; "
            "stop it, or set ATTUNE_DATA_DIR to another directory"
        )
    held.release()
    DataDirectory.lock(config, list(RoleName)).release()


def test_roles_may_share_a_directory_and_a_refused_one_holds_nothing(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path)
    search = DataDirectory.lock(config, [RoleName.SEARCH])
    with pytest.raises(ConfigError, match="the search role"):
        DataDirectory.lock(config, list(RoleName))
    others = DataDirectory.lock(config, [RoleName.KNOWLEDGE, RoleName.INGEST])
    others.release()
    search.release()


@pytest.mark.parametrize("role", [RoleName.EMBEDDING, RoleName.SUGGESTION])
def test_a_role_that_keeps_no_files_asks_for_no_directory(tmp_path: Path, role: RoleName) -> None:
    config = Config(data_dir=tmp_path / "none")
    held = [DataDirectory.lock(config, [role]) for _ in range(2)]
    assert not config.data_dir.exists()
    for each in held:
        each.release()


def test_search_over_an_index_server_keeps_no_files(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path / "none", qdrant_url="http://127.0.0.1:6333")
    DataDirectory.lock(config, [RoleName.SEARCH])
    assert not config.data_dir.exists()


def test_the_lock_of_a_killed_process_is_gone(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path)
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match=f"process {holder.pid} runs"):
            DataDirectory.lock(config, [RoleName.KNOWLEDGE])
        holder.kill()
        holder.wait(30)
    DataDirectory.lock(config, list(RoleName)).release()


def test_the_lock_names_its_newest_holder(tmp_path: Path) -> None:
    (tmp_path / "knowledge.lock").write_text("99999999")
    held = DataDirectory.lock(Config(data_dir=tmp_path), [RoleName.KNOWLEDGE])
    assert (tmp_path / "knowledge.lock").read_text() == str(os.getpid())
    held.release()


def test_a_directory_that_cannot_be_written_is_named_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as refused:
        DataDirectory.lock(Config(data_dir=tmp_path / "file" / "data"), [RoleName.KNOWLEDGE])
    assert str(refused.value).startswith(f"ATTUNE_DATA_DIR: {tmp_path / 'file' / 'data'}")
    assert "Not a directory" in str(refused.value)
