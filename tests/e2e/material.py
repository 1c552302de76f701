"""A small world with two subjects that share words: concurrency by asyncio and by processes."""

import json
from datetime import UTC, datetime, timedelta

from attune.events.v1.events_pb2 import InteractionEvent
from attune.search.v1.search_pb2 import Document
from attune.services.client import interaction

ENTITIES = [
    {"id": "asyncio", "label": "asyncio", "description": "Asynchronous I/O with an event loop."},
    {
        "id": "asyncio.gather",
        "label": "asyncio.gather",
        "aliases": ["gather"],
        "description": "Runs awaitables concurrently.",
        "links": [{"relation": "part_of", "target": "asyncio"}],
    },
    {
        "id": "asyncio.Queue",
        "label": "asyncio.Queue",
        "aliases": ["handoff line"],
        "description": "A queue for coroutines.",
        "links": [{"relation": "part_of", "target": "asyncio"}],
    },
    {"id": "multiprocessing", "label": "multiprocessing", "description": "Processes instead of threads."},
    {
        "id": "multiprocessing.Pool",
        "label": "multiprocessing.Pool",
        "description": "A pool of worker processes.",
        "links": [{"relation": "part_of", "target": "multiprocessing"}],
    },
]

TEXTS = {
    "asyncio.gather": "Run awaitables concurrently in an event loop of asyncio and wait for all of their results.",
    "asyncio.Queue": "A queue that coroutines of asyncio use to hand work to each other.",
    "asyncio.timeout": "Cancel work of asyncio that takes too long.",
    "multiprocessing.Pool": "Run functions concurrently in worker processes of multiprocessing and collect results.",
    "multiprocessing.Queue": "A queue that processes of multiprocessing use to hand work to each other.",
    "multiprocessing.shared_memory": "Memory that several processes of multiprocessing can use.",
    "csv.reader": "Read rows of comma separated values from a file.",
    "json.loads": "Parse a JSON document from a string.",
    "sqlite3.connect": "Open a connection to a database file.",
    "statistics.mean": "The arithmetic mean of data.",
}
QUERY = "run several things concurrently and wait for the results"

CITIES = ("Rome", "Oslo", "Lisbon", "Kyoto")
ASPECTS = (
    "cheap hotels near the station",
    "museums that are free on Sundays",
    "places to eat for vegetarians",
    "how to get in from the airport",
    "what the weather is like in winter",
    "parks where children can play",
    "shops that open late",
    "old churches and temples",
)


def catalog_lines() -> str:
    return "".join(f"{json.dumps(entity)}\n" for entity in ENTITIES)


def documents() -> list[Document]:
    return [
        Document(document_id=key, title=key, text=text, domain=key.partition(".")[0]) for key, text in TEXTS.items()
    ]


def reading(user: str, *object_ids: str, run: str = "") -> list[InteractionEvent]:
    """The user clicks on documents, one a minute until now."""
    now = datetime.now(UTC)
    return [
        interaction(
            user,
            "click",
            now - timedelta(minutes=len(object_ids) - place),
            object_id=each,
            event_id=f"{run}{user}-{place}",
        )
        for place, each in enumerate(object_ids)
    ]


def city_documents() -> list[Document]:
    """Of each city eight documents, of a domain of their own."""
    return [
        Document(document_id=f"city-{city}-{place}", title=city, text=f"{city}: {aspect}.", domain="cities")
        for city in CITIES
        for place, aspect in enumerate(ASPECTS)
    ]
