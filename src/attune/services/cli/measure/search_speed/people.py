"""Who searches: a user whose record in the knowledge store is full, and the catalog that its entities are of."""

import json
from collections.abc import Sequence

from attune.knowledge_store.model import UserKey
from attune.services.cli.measure.store_speed.population import Population
from attune.services.runtime.call import DEFAULT_TENANT
from attune.services.runtime.config import Config
from attune.services.runtime.stores import open_store

FULL = "full"
ENTITIES = 5000
_OF_A_USER = 512


def entity_id(number: int) -> str:
    """Of the entity of that number, which goes round."""
    return f"entity-{number % ENTITIES}"


def settle_people(config: Config, texts: Sequence[str], documents: int) -> None:
    """Write the catalog, whose entities are called by two words of a text each, and the user, who has read some of so
    many documents.
    """
    ids = [entity_id(number) for number in range(ENTITIES)]
    lines = (json.dumps({"id": each, "label": _label(texts, number)}) + "\n" for number, each in enumerate(ids))
    config.catalog.write_text("".join(lines), encoding="utf-8")
    store = open_store(config)
    population = Population(ids, 1, _OF_A_USER, 1, documents=documents, document_id=str)
    store.put_users((UserKey(DEFAULT_TENANT, FULL), record) for _, record in population.records(0, 1))
    store.close()


def _label(texts: Sequence[str], number: int) -> str:
    words = texts[number % len(texts)].split()
    start = number // len(texts) * 2
    return " ".join(words[start : start + 2]) or f"nothing {number}"
