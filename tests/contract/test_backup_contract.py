"""A backup taken from any engine and restored into any is the same store, and what ages goes from all alike."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import blake2b
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.postgres import new_database
from tests.unit.knowledge_store.builders import ANNA, BEN, LOG, START, TWIN, days, logs, projected, removals

from attune.knowledge_store.backup import BackupError, read_backup, write_backup
from attune.knowledge_store.consent import Choice, Purpose
from attune.knowledge_store.kept import Kept
from attune.knowledge_store.model import LinkedEntity, LogPosition, Summary, UserKey
from attune.knowledge_store.record import Expired
from attune.knowledge_store.store import Store, StoreError
from attune.knowledge_store.store_memory import MemoryStore
from attune.knowledge_store.store_model import Applied, Profile, Removal, Suppressed
from attune.knowledge_store.store_postgres import PostgresStore
from attune.knowledge_store.store_sqlite import SqliteStore

REFUSALS = "is no backup of|ends too early|is damaged"
ENGINES = ("memory", "sqlite", "postgres")
few = settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def opened(request, tmp_path) -> Iterator[Callable[[str], Store]]:
    """Opens a new, empty store of the named engine at each call."""
    numbers, stores = count(), []

    def open_one(engine: str) -> Store:
        if engine == "memory":
            stores.append(MemoryStore())
        elif engine == "sqlite":
            stores.append(SqliteStore(tmp_path / f"store{next(numbers)}.db"))
        else:
            stores.append(PostgresStore(new_database(request.getfixturevalue("postgres_url")), connections=3))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


@pytest.fixture(params=ENGINES)
def store(request, opened) -> Store:
    return opened(request.param)


KEPT = {"users": 2, "tombstones": 2, "consents": 1, "summaries": 1, "positions": 1, "objects": 1}


def filled(store: Store) -> Store:
    store.apply([projected("1", "a", "b"), projected("2", "a", user=BEN), projected("3", "c", user=TWIN)])
    store.forget_user(BEN, days(1))
    store.forget_entity(ANNA, "b", days(1))
    store.suppress(TWIN, [b"f" * 32], days(2), days(2))
    store.remember_objects("acme", {"d1": [LinkedEntity("a", 1 / 3)]})
    store.apply([], LogPosition(LOG, 3, 17))
    store.consent(BEN, [Choice(days(1), Purpose.LEARNING, False)])
    store.put_summary(ANNA, Summary("Also: a.", 1, 1, days(2), "store"), ["a"])
    return store


@pytest.fixture
def backup(store, tmp_path) -> Path:
    file = tmp_path / "store.backup"
    assert write_backup(filled(store), file, START) == KEPT
    return file


@pytest.mark.parametrize("target", ENGINES)
@pytest.mark.parametrize("source", ENGINES)
@given(events=logs(), removed=st.lists(removals(), max_size=4), offset=st.integers(0, 2**40))
@few
def test_a_backup_restored_is_the_store(opened, tmp_path, source, target, events, removed, offset):
    first, second, file = opened(source), opened(target), tmp_path / "any.backup"
    first.apply(events, LogPosition(LOG, 0, offset))
    first.restore(removed, LogPosition("removals", 1, 4))
    first.remember_objects("acme", {"ü": [LinkedEntity("a", 1 / 3), LinkedEntity("b", 1.0)], "none": []})
    try:
        written = write_backup(first, file, START)
        assert read_backup(second, file) == written
    finally:
        file.unlink()
    assert list(second.dump()) == list(first.dump())
    assert second.apply(events) == first.apply(events)
    assert list(second.dump()) == list(first.dump())
    for each in (first, second):
        each.close()


def test_the_forgotten_stay_forgotten_after_a_restore_and_a_replay(store, backup, opened):
    restored = opened("memory")
    read_backup(restored, backup)
    assert restored.profile(BEN) == Profile(forgotten_at=days(1))
    replay = [projected("1", "a", "b"), projected("2", "a", user=BEN), projected("late", "b", at=days(0.5))]
    assert restored.apply(replay) == Applied(new=1, duplicates=1, forgotten=1)
    assert restored.entities(BEN) == []
    assert [state.entity_id for state in restored.entities(ANNA)] == ["a"]
    assert restored.suppressed(TWIN) == Suppressed((b"f" * 32,), days(2))
    assert restored.position(LOG, 3) == 17


def test_a_forgetting_since_the_backup_comes_back_from_the_log(store, backup, opened):
    restored = opened("memory")
    read_backup(restored, backup)
    restored.restore([Removal(ANNA, days(9))], LogPosition("attune.forgets.v1", 0, 1))
    assert restored.apply([projected("1", "a")]) == Applied(forgotten=1)


def test_a_backup_is_of_one_moment(store, tmp_path):
    filled(store)
    kept = store.dump()
    pieces = [next(kept)]
    store.forget_user(ANNA, days(5))
    store.apply([projected("9", "z", user=TWIN)], LogPosition(LOG, 3, 99))
    pieces += kept
    assert LogPosition(LOG, 3, 17) in pieces
    assert pieces != list(store.dump())


def test_a_store_that_holds_anything_takes_no_backup(store, backup):
    before = list(store.dump())
    with pytest.raises(StoreError, match=r"^the store is not empty: name a new one"):
        read_backup(store, backup)
    assert list(store.dump()) == before


def test_events_wait_for_a_restore_and_are_added_to_it(store):
    source, waiting = filled(MemoryStore()), []

    def pieces(pool: ThreadPoolExecutor) -> Iterator[Kept]:
        for piece in source.dump():
            if not waiting:
                waiting.append(pool.submit(store.apply, [projected("1", "x"), projected("new", "a", at=days(3))]))
            yield piece
        with pytest.raises(TimeoutError):
            waiting[0].result(0.2)

    with ThreadPoolExecutor(1) as pool:
        store.load(pieces(pool))
        assert waiting[0].result(30) == Applied(new=1, duplicates=1)
    assert [(state.entity_id, state.count) for state in store.entities(ANNA)] == [("a", 2)]


@pytest.mark.parametrize("keep", ["tombstone", "position", "object"])
def test_a_store_without_users_may_be_full_too(store, tmp_path, opened, keep):
    source, file = filled(opened("memory")), tmp_path / "file"
    write_backup(source, file, START)
    if keep == "tombstone":
        store.forget_user(ANNA, START)
    elif keep == "position":
        store.apply([], LogPosition(LOG, 0, 1))
    else:
        store.remember_objects("acme", {"d": []})
    with pytest.raises(StoreError, match="not empty"):
        read_backup(store, file)


def damaged(content: bytes) -> Iterator[bytes]:
    """Files that are no whole backup: cut at many places, a byte changed, and lines left out, changed or added."""
    yield from (content[: len(content) * tenth // 10] for tenth in range(10))
    yield content[:-1]
    lines = gzip.decompress(content).splitlines(keepends=True)
    for number in range(len(lines)):
        yield gzip.compress(b"".join(lines[:number] + lines[number + 1 :]))
    yield gzip.compress(b"".join(lines[:-1]))
    yield gzip.compress(b"".join(lines).replace(b'"a"', b'"x"'))
    yield gzip.compress(b"".join(lines) + lines[1])
    yield gzip.compress(b"[1]\n" + b"".join(lines))
    yield gzip.compress(lines[0] + b'{"user":["acme"],"record":{}}\n')
    yield gzip.compress(lines[0] + b'{"other":1}\n')
    yield b"\x7fELF" + content
    yield content[:40] + bytes([content[40] ^ 0xFF]) + content[41:]


def test_what_is_no_whole_backup_is_refused_and_leaves_nothing(backup, opened, tmp_path):
    for number, content in enumerate(damaged(backup.read_bytes())):
        file, target = tmp_path / f"damaged{number}", opened("sqlite" if number % 2 else "memory")
        file.write_bytes(content)
        with pytest.raises(BackupError, match=REFUSALS):
            read_backup(target, file)
        assert list(target.dump()) == []


def test_a_newer_format_says_so(tmp_path):
    file = tmp_path / "newer"
    file.write_bytes(gzip.compress(b'{"backup": "attune knowledge store", "format": 4, "attune": "9.1", "at": ""}\n'))
    with pytest.raises(BackupError, match=r"has format 4, of attune 9\.1, and this version knows 3: upgrade attune"):
        read_backup(MemoryStore(), file)


def test_files_that_cannot_be_read_or_written_are_named(tmp_path):
    there = tmp_path / "there"
    there.touch()
    with pytest.raises(BackupError, match="there exists: give the name of a new file"):
        write_backup(MemoryStore(), there, START)
    for path in (tmp_path / "no" / "directory", tmp_path):
        with pytest.raises(BackupError):
            write_backup(MemoryStore(), path, START)
    with pytest.raises(BackupError, match="No such file"):
        read_backup(MemoryStore(), tmp_path / "missing")
    with pytest.raises(BackupError, match="Is a directory"):
        read_backup(MemoryStore(), tmp_path)


def test_a_backup_that_breaks_off_leaves_no_file(store, tmp_path):
    filled(store)

    def stop(pieces: int) -> None:
        if pieces == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_backup(store, tmp_path / "file", START, stop)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("file")] == []


def test_only_its_owner_may_read_a_backup(backup):
    assert backup.stat().st_mode & 0o777 == 0o600


RESTORING = """
import sys
from pathlib import Path
from attune.knowledge_store.backup import read_backup
from attune.knowledge_store.store_sqlite import SqliteStore
from attune.knowledge_store.store_postgres import PostgresStore

def progress(pieces):
    if pieces == 300:  # more than are written at once
        print("half", flush=True)
        sys.stdin.read()

store = PostgresStore(sys.argv[1]) if "://" in sys.argv[1] else SqliteStore(sys.argv[1])
read_backup(store, Path(sys.argv[2]), progress)
"""


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_restore_that_is_killed_has_done_nothing(request, tmp_path, engine):
    memory, file = filled(MemoryStore()), tmp_path / "file"
    memory.apply([projected("1", "a", user=UserKey("acme", f"u{number:03}")) for number in range(400)])
    write_backup(memory, file, START)
    place = str(tmp_path / "x.db") if engine == "sqlite" else new_database(request.getfixturevalue("postgres_url"))
    command = [sys.executable, "-c", RESTORING, place, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        os.kill(process.pid, signal.SIGKILL)
    store = SqliteStore(place) if engine == "sqlite" else PostgresStore(place)
    try:
        assert list(store.dump()) == []
        read_backup(store, file)
        assert list(store.dump()) == list(memory.dump())
    finally:
        store.close()


def test_states_that_are_too_old_go_and_the_rest_stays(store):
    store.apply([projected("1", "a", "b"), projected("2", "a", at=days(10)), projected("3", "c", user=BEN)])
    store.apply([projected("4", user=TWIN, at=days(9))])
    store.forget_entity(BEN, "z", days(0))
    assert store.expire(days(5), dry_run=True) == Expired(entities=2, users=1)
    assert store.profile(BEN).events == 1
    assert store.expire(days(5)) == Expired(entities=2, users=1)
    assert [state.entity_id for state in store.entities(ANNA)] == ["a"]
    assert store.profile(ANNA).events == 2
    assert store.profile(BEN) == Profile()
    assert [user for user, _ in store.users()] == [ANNA, TWIN]
    assert [record["record"] for record in store.export(BEN)] == ["profile", "forgotten_entity"]
    assert store.expire(days(5)) == Expired()


def test_a_state_last_seen_at_the_limit_stays(store):
    store.apply([projected("1", "a", at=days(5))])
    assert store.expire(days(5)) == Expired()
    assert store.expire(days(5) + timedelta(microseconds=1)) == Expired(1, 1)


def test_retention_keeps_tombstones_and_unwanted_suggestions(store):
    filled(store)
    tombstones = [each for each in store.dump() if hasattr(each, "user_digest")]
    assert store.expire(days(100)) == Expired(entities=2, users=2)
    assert [each for each in store.dump() if hasattr(each, "user_digest")] == tombstones
    assert store.suppressed(TWIN) == Suppressed((b"f" * 32,), days(2))
    assert store.apply([projected("2", "a", user=BEN)]) == Applied(forgotten=1)


def test_retention_goes_through_more_users_than_one_transaction_has(store):
    users = [UserKey("acme", f"u{number:04}") for number in range(300)]
    store.apply([projected("1", "a", user=user) for user in users])
    store.apply([projected("2", "b", user=users[7], at=days(9))])
    assert store.expire(days(5)) == Expired(entities=300, users=299)
    assert [user for user, _ in store.users()] == [users[7]]


def test_a_limit_that_is_not_utc_is_refused(store):
    with pytest.raises(ValueError, match=r"^before is "):
        store.expire(START.replace(tzinfo=None))


def test_a_store_on_disk_tells_its_size(opened):
    assert opened("memory").size() is None
    for engine in ("sqlite", "postgres"):
        assert (filled(opened(engine)).size() or 0) > 4096


def test_the_file_says_what_it_is(backup):
    header, *_, end = [json.loads(line) for line in gzip.decompress(backup.read_bytes()).splitlines()]
    assert (header["backup"], header["format"], header["at"]) == ("attune knowledge store", 3, START.isoformat())
    assert end["end"] == KEPT


def test_a_backup_of_format_1_is_read(opened, tmp_path):
    """It had neither consents nor summaries, and did not count them."""
    position = b'{"position":["interactions",3,17]}\n'
    header = b'{"backup":"attune knowledge store","format":1,"attune":"0.1.0","at":"2026-01-01T00:00:00+00:00"}\n'
    counts = {"users": 0, "tombstones": 0, "positions": 1, "objects": 0}
    end = json.dumps({"end": counts, "blake2b": blake2b(header + position, digest_size=32).hexdigest()})
    file = tmp_path / "old.attune"
    file.write_bytes(gzip.compress(header + position + end.encode() + b"\n"))
    store = opened("memory")
    assert read_backup(store, file)["positions"] == 1
    assert store.position(LOG, 3) == 17
