"""Index documents, stream two readers' events, and search for each of them and for nobody.

    ATTUNE_DATA_DIR=/tmp/attune-example ATTUNE_CATALOG_PATH=examples/catalog.jsonl .venv/bin/attune up
    .venv/bin/python examples/python_client.py

The addresses come from ATTUNE_*_ADDRESS or ATTUNE_*_PORT, as for the servers. Run it twice: nothing is counted twice.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attune.events.v1.events_pb2 import InteractionEvent
from attune.search.v1.search_pb2 import Document
from attune.services.client import Client, interaction
from attune.services.client.channels import Addresses
from attune.services.runtime.config import Config

DOCUMENTS = Path(__file__).parent / "documents.jsonl"
READ = {"reader-a": ("asyncio.Queue", "asyncio.timeout"), "reader-b": ("multiprocessing.Queue", "multiprocessing.Pool")}
QUERY = "run several things concurrently and wait for the results"


def documents() -> Iterator[Document]:
    """The example's documents, as the search service takes them."""
    for line in DOCUMENTS.read_text(encoding="utf-8").splitlines():
        fields = json.loads(line)
        yield Document(document_id=fields["_id"], title=fields["title"], text=fields["text"], domain="python")


def events(now: datetime) -> Iterator[InteractionEvent]:
    """Each reader clicks on two documents. Fixed ids: an event that is sent again counts once."""
    for user, read in READ.items():
        for place, object_id in enumerate(read):
            at = now - timedelta(minutes=place)
            yield interaction(user, "click", at, object_id=object_id, event_id=f"example/{user}/{place}")


def record(client: Client, now: datetime) -> None:
    """Send the events and wait until the store has applied them."""
    answer = client.record(events(now))
    while client.profile("reader-a").applied_offset < answer.log_end_offset:
        time.sleep(0.05)


def show(client: Client, user: str) -> None:
    """Print the first three hits for a user; for nobody, where it is empty."""
    print(user or "nobody")
    for place, hit in enumerate(client.search(QUERY, user=user, page_size=3).hits, start=1):
        print(f"  {place}. {hit.document.title:22} {hit.score:.3f}  {hit.explanation.summary}")


def main() -> None:
    """The whole example."""
    with Client(Addresses.of(Config())) as client:
        indexed = client.index(documents())
        print(f"indexed {indexed.indexed}, unchanged {indexed.unchanged}")
        record(client, datetime.now(UTC))
        for user in ("", *READ):
            show(client, user)


if __name__ == "__main__":
    main()
