"""kill -9 of a count at each step: the file is the one of before or the new one, whole; the next count does it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.suggestion.queries.asking import MANY, by_many, content, count, statistics_of, texts

PROGRAM = """
import os, signal, sys
from pathlib import Path
from tests.unit.suggestion.queries.asking import by_many, count
from attune.services.suggestion.queries import counting, tally, writing

def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)

where = sys.argv[1]
if where == "tallied":
    tally.Tally.keep = killed
elif where == "collected":
    tally.Tally.rank = killed
elif where == "writing":
    writing._best = killed
elif where == "written":
    writing._put_in_place = killed
elif where == "spilt":  # with so little memory that all is on disk
    tally._TABLES = tally._TABLES.replace("cache_size = -", "cache_size = 8; --")
    tally.Tally.keep = killed
else:
    counting._remove = killed
more = by_many("third", 2000) if where == "spilt" else []
count(Path(sys.argv[2]), [*by_many("secret plan", 4), *by_many("second", 4), *more])
"""


def kill(directory: Path, where: str) -> None:
    command = [sys.executable, "-c", PROGRAM, where, str(directory)]
    ended = subprocess.run(command, check=False, capture_output=True, timeout=120)  # noqa: S603 - ours
    assert ended.returncode == -signal.SIGKILL, ended.stderr


@pytest.mark.parametrize("where", ["tallied", "collected", "writing", "written", "replaced"])
def test_killed_at_any_step_the_file_is_whole_and_the_next_count_clears_up(tmp_path, where):
    count(tmp_path, by_many("first", 4))
    kill(tmp_path, where)
    is_new = where == "replaced"
    assert texts(statistics_of(tmp_path).beginning("", MANY)) == (["second", "secret plan"] if is_new else ["first"])
    count(tmp_path, by_many("third", 4))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["lock", "of-acme.sqlite"]
    assert texts(statistics_of(tmp_path).beginning("", MANY)) == ["third"]


def test_what_a_killed_count_leaves_behind_has_no_text_of_few_and_no_user(tmp_path):
    kill(tmp_path, "spilt")
    left = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert len(left) > 10_000
    users = [f"u{number}".encode() for number in range(1000, 2000)]  # shorter ones are in any digests, by chance
    assert not [each for each in (b"secret", b"second", *users) if each in left]


def test_a_count_after_a_killed_one_gives_what_it_would_have_given(tmp_path):
    kill(tmp_path, "writing")
    log = [*by_many("secret plan", 4), *by_many("second", 4)]
    count(tmp_path, log)
    count(tmp_path / "other", log)
    assert content(tmp_path) == content(tmp_path / "other")
