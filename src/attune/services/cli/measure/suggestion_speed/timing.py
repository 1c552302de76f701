"""Look-ups and completions, timed one by one."""

from collections.abc import Callable, Sequence
from random import Random

from attune.services.cli.measure.report import Row
from attune.services.cli.measure.times import Times
from attune.services.client import Client
from attune.services.suggestion.known import normalised
from attune.services.suggestion.queries.model import QueryStatistics

_LIMIT = 50
_ENTITIES = 8


def look_up_times(
    found: QueryStatistics, texts: Sequence[str], entity_ids: Sequence[str], count: int, random: Random
) -> list[Row]:
    """Each kind of look-up alone, and all that a ranker asks for one suggestion together."""
    names = ("next_after", "naming", "containing", "users_of", "together")
    times = {name: Times() for name in names}
    for _ in range(count):
        query = often_asked(texts, random)
        ids = [entity_ids[int(len(entity_ids) * random.random() ** 3)] for _ in range(_ENTITIES)]
        calls: dict[str, Callable[[], object]] = {
            "next_after": lambda query=query: found.next_after(query, _LIMIT),  # type: ignore[misc]
            "naming": lambda ids=ids: found.naming(ids, _LIMIT),  # type: ignore[misc]
            "containing": lambda query=query: found.containing(query.split(), _LIMIT),  # type: ignore[misc]
            "users_of": lambda query=query: found.users_of(query),  # type: ignore[misc]
        }
        for name, call in calls.items():
            times[name].of(call)
        times["together"].each.append(sum(times[name].each[-1] for name in calls))
    return [row_of(name, times[name]) for name in names]


def prefix_times(found: QueryStatistics, texts: Sequence[str], count: int, random: Random) -> list[Row]:
    """Of prefixes of so many letters of queries that are often asked."""
    rows = []
    for letters in (0, 1, 2, 4, 8):
        times = Times()
        for _ in range(count):
            prefix = normalised(often_asked(texts, random))[:letters]
            times.of(lambda prefix=prefix: found.beginning(prefix, _LIMIT))  # type: ignore[misc]
        rows.append(row_of(f"beginning, {letters} letters", times))
    return rows


def completion_times(client: Client, texts: Sequence[str], user: str, count: int, random: Random) -> list[Row]:
    """CompleteQuery over gRPC, for a user: as typed, with a slip, and with nothing typed yet."""
    kinds: dict[str, Callable[[str], str]] = {
        "as typed": lambda text: text[: random.randint(1, 12)],
        "with a slip": lambda text: f"{text[:5]}zq",
        "nothing typed": lambda _text: "",
    }
    rows = []
    for kind, typed in kinds.items():
        times = Times()
        for _ in range(count):
            prefix = typed(often_asked(texts, random))
            times.of(lambda prefix=prefix: client.complete(prefix, user=user))  # type: ignore[misc]
        rows.append(row_of(f"CompleteQuery, {kind}, {f'user {user}' if user else 'no user'}", times))
    return rows


def often_asked(texts: Sequence[str], random: Random) -> str:
    """Drawn by its rank's logarithm, as queries of a log are."""
    return texts[min(len(texts) - 1, int(len(texts) ** random.random()) - 1)]


def row_of(what: str, times: Times) -> Row:
    """Percentiles."""
    names = ("p50_ms", "p95_ms", "p99_ms", "max_ms")
    return {"what": what, **dict(zip(names, times.percentiles(50, 95, 99, 100), strict=True))}
