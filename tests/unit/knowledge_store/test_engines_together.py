"""Memory and SQLite driven side by side through random lives: at no step can a caller tell them apart."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.unit.knowledge_store.builders import LOG, USERS, content, logs, moments, removals

from attune.knowledge_store.model import LinkedEntity, LogPosition
from attune.knowledge_store.store import Store
from attune.knowledge_store.store_memory import MemoryStore
from attune.knowledge_store.store_model import EntityCursor
from attune.knowledge_store.store_sqlite import SqliteStore

users = st.sampled_from(USERS)
entity_ids = st.sampled_from("abcdefgh")
saliences = st.lists(st.builds(LinkedEntity, entity_ids, st.floats(0.01, 1.0)), max_size=3)
objects = st.dictionaries(st.sampled_from(["d1", "d2"]), saliences)
tenants = st.sampled_from(["acme", "other"])


class Engines(RuleBasedStateMachine):
    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "store.db"
        self.memory: Store = MemoryStore(capacity=4)
        self.sqlite: Store = SqliteStore(self.path, capacity=4)

    @rule(events=logs(8), offset=st.integers(0, 50))
    def apply(self, events, offset):
        position = LogPosition(LOG, 0, offset)
        assert self.memory.apply(events, position) == self.sqlite.apply(events, position)

    @rule(user=users, at=moments())
    def forget_user(self, user, at):
        assert self.memory.forget_user(user, at) == self.sqlite.forget_user(user, at)

    @rule(user=users, entity_id=entity_ids, at=moments())
    def forget_entity(self, user, entity_id, at):
        assert self.memory.forget_entity(user, entity_id, at) == self.sqlite.forget_entity(user, entity_id, at)

    @rule(
        user=users,
        fingerprints=st.lists(st.binary(min_size=32, max_size=32), max_size=2),
        at=moments(),
        until=moments(),
    )
    def suppress(self, user, fingerprints, at, until):
        self.memory.suppress(user, fingerprints, at, until)
        self.sqlite.suppress(user, fingerprints, at, until)

    @rule(read=st.lists(removals(), max_size=4), offset=st.integers(0, 50))
    def restore(self, read, offset):
        for store in (self.memory, self.sqlite):
            store.restore(read, LogPosition("removals", 0, offset))

    @rule(tenant=tenants, linked=objects)
    def remember_objects(self, tenant, linked):
        self.memory.remember_objects(tenant, linked)
        self.sqlite.remember_objects(tenant, linked)

    @rule(tenant=tenants, object_id=st.sampled_from(["d1", "d2"]))
    def forget_object(self, tenant, object_id):
        assert self.memory.forget_objects(tenant, [object_id]) == self.sqlite.forget_objects(tenant, [object_id])

    @rule(user=users, limit=st.integers(1, 3))
    def turn_pages(self, user, limit):
        cursor = None
        while page := self.memory.entity_page(user, cursor, limit):
            assert page == self.sqlite.entity_page(user, cursor, limit)
            cursor = EntityCursor.of(page[-1])
        assert self.sqlite.entity_page(user, cursor, limit) == []

    @rule(before=moments(), dry_run=st.booleans())
    def expire(self, before, dry_run):
        assert self.memory.expire(before, dry_run=dry_run) == self.sqlite.expire(before, dry_run=dry_run)

    @rule()
    def open_again(self):
        self.sqlite.close()
        self.sqlite = SqliteStore(self.path, capacity=4)

    @invariant()
    def agree(self):
        assert content(self.memory) == content(self.sqlite)
        assert list(self.memory.dump()) == list(self.sqlite.dump())
        for user in USERS:
            assert self.memory.suppressed(user) == self.sqlite.suppressed(user)
            known = [store.objects(user.tenant, ["d1", "d2"]) for store in (self.memory, self.sqlite)]
            assert known[0] == known[1]
        assert self.memory.forgotten(USERS) == self.sqlite.forgotten(USERS)
        assert self.memory.position("removals", 0) == self.sqlite.position("removals", 0)

    def teardown(self) -> None:
        self.sqlite.close()
        self.folder.cleanup()


TestEngines = Engines.TestCase
TestEngines.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
