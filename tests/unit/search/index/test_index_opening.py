"""The configuration chooses the engine."""

from pathlib import Path

import pytest

from attune.services.runtime.config import Config
from attune.services.search.index.errors import IndexMismatchError, IndexUnavailableError
from attune.services.search.index.opening import open_index


def test_without_a_server_the_index_is_in_the_data_directory(tmp_path: Path) -> None:
    index = open_index(Config(data_dir=tmp_path), "model-a", 8)
    assert (tmp_path / "index" / "attune-index.json").exists()
    index.close()
    with pytest.raises(IndexMismatchError, match="model_id 'model-a'"):
        open_index(Config(data_dir=tmp_path), "model-b", 8)


def test_with_a_server_nothing_is_made_on_disk(tmp_path: Path) -> None:
    with pytest.raises(IndexUnavailableError, match="collection 'attune'"):
        open_index(Config(data_dir=tmp_path, qdrant_url="http://127.0.0.1:1"), "model-a", 8)
    assert list(tmp_path.iterdir()) == []
