"""A log, made ready: what was known at each moment, and vectors of all texts."""

from pathlib import Path
from typing import TYPE_CHECKING

from attune.services.cli.measure.catalogs import labelled_catalog
from attune.services.cli.measure.suggestion.cases import Log
from attune.services.cli.measure.suggestion.encoding import Encoded
from attune.services.cli.measure.suggestion.ladder import World
from attune.services.cli.measure.suggestion.moments import Entities, known_at_the_end, moment_of, walked
from attune.services.suggestion.ranking.texts import Block

if TYPE_CHECKING:
    from attune.embeddings.embedder import Embedder


def read_entities(path: Path | None) -> Entities | None:
    """A catalog; None without a file."""
    return None if path is None else Entities(labelled_catalog(path))


def make_world(log: Log, entities: Entities | None, embedder: "Embedder") -> World:
    """Walk through the log once, and embed all that is in it."""
    encoded = Encoded(embedder)
    encoded.prepare([*log.pool, *(case.page for case in log.cases if case.page)])
    walk = walked(log.cases, log.entries, entities)
    known = {id(case): moment_of(case, counts, stores) for case, counts, stores in walk}
    return World(
        log=log,
        moments=[known[id(case)] for case in log.cases],
        encoded=encoded,
        entities=entities,
        ends=known_at_the_end(log.users, log.entries, entities),
        block=Block([encoded[text] for text in log.pool]),
        places={text: place for place, text in enumerate(log.pool)},
    )
