"""kill -9 of a replay at each step: the store is the one of before or the new one, whole; the next run does it."""

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.contract.test_replay_contract import ADA, CLEO, System, history_of, kept, opened_system
from tests.fakes.postgres import new_database

from attune.knowledge_store.kept import KeptUser
from attune.knowledge_store.model import UserKey
from attune.services.runtime.config import Config
from attune.services.runtime.stores import open_shadow, open_store

PROGRAM = """
import os, signal, sys
from pathlib import Path
from tests.contract.test_replay_contract import opened_system
from attune.knowledge_store import shadow_postgres, shadow_sqlite
from attune.services.ingest import replaying
from attune.knowledge_store.model import UserKey
from attune.services.runtime.config import Config

def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def killed_at(calls, function):
    def call(*arguments):
        calls.append(1)
        return killed() if len(calls) == 3 else function(*arguments)
    return call

where = sys.argv[1]
if where == "sown":
    replaying.restore = killed
elif where == "building":
    replaying.Replay._stretch = killed
elif where == "summaries":  # in the locked part, all but the swap itself is done
    shadow_postgres.carry_summaries = shadow_sqlite.carry_summaries = killed
elif where == "moving":
    shadow_sqlite._move = killed_at([], shadow_sqlite._move)
    shadow_postgres._RENAME += "SELECT pg_terminate_backend(pg_backend_pid());"
else:
    shadow_sqlite._empty_log = killed
    shadow_postgres.PostgresShadow.close = killed
opened_system(Config(data_dir=Path(sys.argv[2]), store_url=sys.argv[3])).replay()
"""


@pytest.fixture(params=["sqlite", "postgres"])
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> System:
    """A system whose store has something of its own, which its log has not."""
    url = new_database(request.getfixturevalue("postgres_url")) if request.param == "postgres" else ""
    system = opened_system(Config(data_dir=tmp_path, store_url=url))
    history_of(system)
    system.drain()
    records = {each.user: each.record for each in kept(system.live) if isinstance(each, KeptUser)}
    system.live.put_users([(UserKey("acme", "zoe"), records[CLEO])])
    return system


def run_killed(system: System, where: str) -> subprocess.CompletedProcess[bytes]:
    url = system.config.store_url.get_secret_value()
    command = [sys.executable, "-c", PROGRAM, where, str(system.config.data_dir), url]
    return subprocess.run(command, check=False, capture_output=True, timeout=120)  # noqa: S603 - ours


@pytest.mark.parametrize("where", ["sown", "building", "summaries", "moving"])
def test_killed_before_the_end_nothing_has_changed(broken, where):
    before = kept(broken.live)
    ended = run_killed(broken, where)
    assert ended.returncode in {-signal.SIGKILL, 1}, ended.stderr  # 1: PostgreSQL's process was killed
    with closing(open_store(broken.config)) as store:
        assert kept(store) == before != broken.offline()
    with closing(open_shadow(broken.config)) as shadow:
        assert shadow.had_leftover or where == "moving"
        assert list(shadow.store.users()) == []
    broken.replay()
    assert kept(broken.live) == broken.offline()
    broken.live.close()


def test_killed_after_the_swap_all_has_changed(broken):
    assert run_killed(broken, "swapped").returncode == -signal.SIGKILL
    assert kept(broken.live) == broken.offline()
    broken.query(ADA, "sailing")
    broken.drain()
    assert kept(broken.live) == broken.offline()
    broken.live.close()
