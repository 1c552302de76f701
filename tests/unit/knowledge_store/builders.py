"""Small constructors, event strategies, and the comparable content of a store, for the tests of the knowledge store."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.history import Noted
from attune.knowledge_store.linking import Linker
from attune.knowledge_store.model import EntityState, EventKind, Interaction, LogPosition, Observation, Source, UserKey
from attune.knowledge_store.store import Store
from attune.knowledge_store.store_model import Projected, Removal, Suppressed

untimed = settings(deadline=None)  # a busy machine is no failure

START = datetime(2026, 1, 1, tzinfo=UTC)
ANNA = UserKey("acme", "anna")
BEN = UserKey("acme", "ben")
TWIN = UserKey("other", "anna")
USERS = (ANNA, BEN, TWIN)
LOG = "interactions"
READ = {"doc/1": ("a",), "doc/2": ("a", "b"), "doc/3": (), "doc/é": ("c",)}
"""Documents, and the entities that each is about."""
SAID = {"I like a.": ("a",), "Never\0 b": ("b",), "I am tired.": ()}


def days(count: float) -> datetime:
    return START + timedelta(days=count)


def line(
    entity_id: str, label: str = "", aliases: Sequence[str] = (), description: str = "", **links: list[str]
) -> str:
    """One entity of a catalog, its links as relation=[targets]."""
    edges = [{"relation": relation, "target": target} for relation, targets in links.items() for target in targets]
    fields = {"id": entity_id, "label": label or entity_id, "aliases": list(aliases), "description": description}
    return json.dumps({**fields, "links": edges})


def linker_for(*lines: str) -> tuple[Catalog, CatalogGraph, Linker]:
    catalog = Catalog.load(lines)
    graph = CatalogGraph(catalog)
    return catalog, graph, Linker(catalog, graph)


def observation(
    entity_id: str, at: datetime = START, weight: float = 1.0, kind: EventKind = EventKind.QUERY
) -> Observation:
    source = Source.QUERY if kind is EventKind.QUERY else Source.DOCUMENT
    return Observation(entity_id, kind, source, at, weight)


def projected(
    event_id: str,
    *entity_ids: str,
    user: UserKey = ANNA,
    at: datetime = START,
    logged_at: datetime | None = None,
    weight: float = 1.0,
) -> Projected:
    observations = tuple(observation(entity_id, at, weight) for entity_id in entity_ids)
    return Projected(event_id, user, at, logged_at or at, observations)


def state(
    entity_id: str, count: int = 1, weight: float = 1.0, last_seen: datetime = START, first_seen: datetime | None = None
) -> EntityState:
    counts = {(EventKind.QUERY, Source.QUERY): count}
    return EntityState(entity_id, counts, first_seen or last_seen, last_seen, weight, weight)


def interaction(
    event_id: str, kind: EventKind, user: UserKey = ANNA, at: datetime = START, **fields: Any
) -> Interaction:
    return Interaction(event_id, user, kind, at, at, **fields)


def moments() -> st.SearchStrategy[datetime]:
    """From 1970 to 2090, often equal."""
    offsets = st.one_of(st.integers(0, 100), st.integers(-1_767_000_000, 2_000_000_000))
    return offsets.map(lambda seconds: START + timedelta(seconds=seconds))


@st.composite
def logs(draw: st.DrawFn, largest: int = 30) -> list[Projected]:
    """A log of three users, two of whom share a name but not a tenant; some event ids repeat, between users too."""
    events = []
    for number in range(draw(st.integers(0, largest))):
        user = draw(st.sampled_from(USERS))
        at = draw(moments())
        weights = draw(
            st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from((1.0, 0.5, 0.37, -1.0)), max_size=4)
        )
        seen = tuple(observation(entity_id, at, weight) for entity_id, weight in weights.items())
        identifier = str(draw(st.integers(0, number)))
        reading, statement = draw(readings(at)), draw(statements(at))
        events.append(Projected(identifier, user, at, draw(moments()), seen, reading, statement))
    return events


def readings(at: datetime) -> st.SearchStrategy[Noted | None]:
    """Nothing, or a document read or rejected then; the same one is about the same, whenever it is read."""
    read = st.sampled_from(sorted(READ.items()))
    return st.none() | st.builds(lambda each, rejected: Noted(each[0], at, rejected, each[1]), read, st.booleans())


def statements(at: datetime) -> st.SearchStrategy[Noted | None]:
    """Nothing, or something said then."""
    return st.none() | st.sampled_from(sorted(SAID.items())).map(lambda each: Noted(each[0], at, False, each[1]))


def removals() -> st.SearchStrategy[Removal]:
    """What a log says of the three users: all of them, an entity, or suggestions."""
    suppressed = st.builds(Suppressed, st.just((b"f" * 32,)), st.none() | moments())
    parts = st.one_of(
        st.just({}),
        st.builds(lambda entity_id: {"entity_id": entity_id}, st.sampled_from("abc")),
        st.builds(lambda suppressed: {"suppressed": suppressed}, suppressed),
    )
    return st.builds(lambda user, at, part: Removal(user, at, **part), st.sampled_from(USERS), moments(), parts)


def batches(events: Sequence[Projected], sizes: Iterable[int]) -> list[tuple[Sequence[Projected], LogPosition]]:
    """The log cut into batches of the given sizes (the last takes the rest), each with the position behind it."""
    result, start = [], 0
    for size in (*sizes, len(events)):
        end = min(start + size, len(events))
        result.append((events[start:end], LogPosition(LOG, 0, end)))
        start = end
    return result


def content(store: Store, users: Sequence[UserKey] = USERS) -> dict[object, object]:
    """All that can be seen of a store through its contract, to the last bit of each weight."""
    seen: dict[object, object] = {
        user: (store.entities(user), store.profile(user), list(store.export(user))) for user in users
    }
    return {**seen, "position": store.position(LOG, 0)}


def table_rows(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of a SQLite file, in key order."""
    with sqlite3.connect(path) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        query = "SELECT * FROM {}"
        rows = {name: sorted(connection.execute(query.format(name)).fetchall()) for name in names}
    connection.close()
    return rows
