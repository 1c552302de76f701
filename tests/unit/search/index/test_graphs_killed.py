"""The process is killed at any change of files while a copy with a graph takes a shard's place: nothing is lost."""

import signal
from pathlib import Path

from tests.unit.search.index.killed import run

from attune.services.search.index.edge_shelf import open_edge_index
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.settings import IndexSettings

# What the other process would build does not matter here: that its copy is opened, and named, does.
REPLACE_AND_DIE = """
from attune.services.search.index.edge_graphs import EdgeGraphs
from attune.services.search.index.settings import IndexSettings

index = open_edge_index(directory, IndexIdentity("model-a", 8), settings=IndexSettings(scanned_kib=1))

def meanwhile(_graphs, _path):
    put(index, ["new"] * 20, first=40)
    index.delete("acme", ["0"])

EdgeGraphs._build_in = meanwhile
put(index, ["old"] * 50)
Path.replace, shutil.rmtree, os.fsync = dying(Path.replace), dying(shutil.rmtree), dying(os.fsync)
assert index.settle(60)
index.close()
print(changes)
"""


def served(directory: Path) -> tuple[int, int]:
    """How many documents there are, and how many of them are new."""
    index = open_edge_index(directory, IndexIdentity("model-a", 8), settings=IndexSettings(scanned_kib=1000))
    found = index.count("acme"), len(index.bm25("acme", "new", 100))
    assert len(list(directory.glob("shard*"))) == 1  # nothing half made is left
    index.close()
    return found


def test_killed_at_any_change_the_shard_or_its_copy_has_all_that_was_written(tmp_path: Path) -> None:
    whole = run(REPLACE_AND_DIE, tmp_path / "whole", 0)
    assert whole.returncode == 0, whole.stderr
    assert served(tmp_path / "whole") == (59, 20)
    seen = []
    for fatal in range(1, int(whole.stdout.split()[-1]) + 1):
        directory = tmp_path / str(fatal)
        killed = run(REPLACE_AND_DIE, directory, fatal)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        seen.append(served(directory))
    # What was written while the copy was worked on is in the shard, too: killed before or after, it is there.
    assert set(seen) == {(59, 20)}
