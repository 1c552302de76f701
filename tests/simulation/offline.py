"""What the store must be in the end: computed from the log by one reader, in order, without any fault."""

from tests.simulation.broker import Broker
from tests.simulation.engine import Engine
from tests.simulation.faults import position_of
from tests.simulation.world import World

from attune.knowledge_store.backup_lines import to_line
from attune.knowledge_store.kept import Kept
from attune.knowledge_store.model import LogPosition, UserKey
from attune.knowledge_store.store import Store
from attune.knowledge_store.store_memory import MemoryStore
from attune.services.ingest.batch import sort_out
from attune.services.runtime.eventlog.port import Record
from attune.services.runtime.events import DEAD_LETTER_TOPIC, TOPIC, logged_at, user_of_key
from attune.services.runtime.restoring import restore


def computed(broker: Broker, engine: Engine) -> MemoryStore:
    """A store that has read the whole log."""
    store = MemoryStore()
    restore(broker, store)
    knowledge = engine.knowledge(store)
    for partition in range(broker.partition_count(TOPIC)):
        end = broker.end_offset(TOPIC, partition)
        records = broker.poll(TOPIC, partition, 0, end, 1 << 30, 0)
        if end:
            knowledge.handle(sort_out(records, engine.validation).interactions, LogPosition(TOPIC, partition, end))
    return store


def differences(world: World, engine: Engine) -> list[str]:
    """What of the store and of the dead letters is not as it must be, in words; empty where all is."""
    expected = computed(world.broker, engine)
    return _of_content(engine.store, expected) + _of_dead_letters(world, expected)


def _of_content(store: Store, expected: Store) -> list[str]:
    found, wanted = [
        [to_line(each).decode() for each in one.dump() if not _is_of_dead_letters(each)] for one in (store, expected)
    ]
    return [f"is     {each}" for each in found if each not in wanted] + [
        f"should {each}" for each in wanted if each not in found
    ] or ([] if found == wanted else ["the order of what is kept differs"])


def _is_of_dead_letters(kept: Kept) -> bool:
    """How far they were looked through is no state that events are computed into."""
    return isinstance(kept, LogPosition) and kept.log == DEAD_LETTER_TOPIC


def _of_dead_letters(world: World, expected: Store) -> list[str]:
    """Those of users who were forgotten since must be gone where the log can erase, and may be where it cannot."""
    letters = world.broker.everything(DEAD_LETTER_TOPIC)
    found = {position_of(each) for each in letters}
    wrong = {_position(each): each for each in world.broker.kept(TOPIC) if _position(each) in world.traffic.wrong}
    wanted = {position for position, each in wrong.items() if not _is_covered(each, expected)}
    allowed = wanted if world.log_erases else set(wrong)
    return [f"no dead letter for {each}" for each in sorted(wanted - found - world.excused)] + [
        f"a dead letter too many for {each}" for each in sorted(found - allowed)
    ]


def _is_covered(record: Record, store: Store) -> bool:
    user: UserKey | None = user_of_key(record.key)
    until = store.forgotten([user]).get(user) if user else None
    return until is not None and logged_at(record) <= until


def _position(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"
