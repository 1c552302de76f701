"""An index is built anew by a process that is killed at any change of files: the old or the new one serves."""

import signal
from pathlib import Path

from tests.unit.search.index.killed import run

from attune.services.search.index.edge_shelf import open_edge_index
from attune.services.search.index.identity import IndexIdentity

IDENTITY = IndexIdentity("model-a", 8)

REBUILD_AND_DIE = """
index = open_edge_index(directory, IndexIdentity("model-a", 8))
put(index, ["old", "old"])
Path.rename, Path.replace = dying(Path.rename), dying(Path.replace)
shutil.rmtree, os.fsync = dying(shutil.rmtree), dying(os.fsync)
building = index.create_generation()
changes += 1
put(index.feed(building.name), ["new", "new", "new"])
index.delete("acme", ["0"])
index.activate_generation(building.name)
index.close()
print(changes)
"""


def served(directory: Path) -> list[str]:
    index = open_edge_index(directory, IDENTITY)
    documents = index.documents("acme", ["0", "1", "2"])
    assert index.count("acme") == len(documents) == len(index.bm25("acme", "old new", 10))
    names = [each.name for each in index.generations()]
    shards = list(directory.glob("shard*"))
    index.close()
    assert len(shards) == len(names)  # nothing half made is left
    return [documents[each].text for each in sorted(documents)]


def test_killed_at_any_change_the_old_or_the_new_one_serves_whole(tmp_path: Path) -> None:
    whole = run(REBUILD_AND_DIE, tmp_path / "whole", 0)
    assert whole.returncode == 0, whole.stderr
    seen = []
    for fatal in range(1, int(whole.stdout) + 1):
        directory = tmp_path / str(fatal)
        killed = run(REBUILD_AND_DIE, directory, fatal)
        if killed.returncode == 0:
            continue  # the step between, which is no change of files
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        seen.append(served(directory))
    assert served(tmp_path / "whole") == ["new", "new"]
    old, deleted, new = ["old", "old"], ["old"], ["new", "new"]
    assert [each for each in seen if each not in (old, deleted, new)] == []
    assert sorted(seen, key=[old, deleted, new].index) == seen  # and it never goes back
    assert new in seen
