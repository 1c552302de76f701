"""A made log of queries whose topics are their vectors, ready to be ranked: each ranker has something to gain there."""

from collections.abc import Iterable

import numpy as np

from attune.services.cli.measure.suggestion.cases import logs_of
from attune.services.cli.measure.suggestion.ladder import World
from attune.services.cli.measure.suggestion.logs import Entries, Entry
from attune.services.cli.measure.suggestion.moments import Entities, moment_of, walked
from attune.services.suggestion.ranking.texts import Block, Text

TOPICS = 12


class Vectors:
    """Vectors of made queries "topic-number": near where the topic is the same."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self._texts: dict[str, Text] = {}

    def prepare(self, texts: Iterable[str]) -> None:
        for text in texts:
            self[text]

    def __getitem__(self, text: str) -> Text:
        if text not in self._texts:
            vector = self._random.normal(size=TOPICS).astype(np.float32) / 4
            vector[int(text.split("-", maxsplit=1)[0])] += 1
            made = Text.of(text, vector / np.linalg.norm(vector))
            self._texts[text] = Text("", made.vector, made.trigrams[:0], made.words[:0])
        return self._texts[text]


def world(users: int, entities: Entities | None = None) -> World:
    """Each user turns between two topics of their own: the next query is of the one that was left. Nobody has any of
    the entities.
    """
    entries = [
        Entry(f"user {user}", 1000.0 * user + step, f"{(user + 5 * (step % 2)) % TOPICS}-{user}-{step}")
        for user in range(users)
        for step in range(6)
    ]
    log, vectors = logs_of(Entries("made", {"": entries}), 99, 0)[""], Vectors()
    known = {id(case): moment_of(case, *rest) for case, *rest in walked(log.cases, log.entries, None)}
    block = Block([vectors[text] for text in log.pool])
    places = {text: place for place, text in enumerate(log.pool)}
    return World(
        log, [known[id(case)] for case in log.cases], vectors, entities, {user: {} for user in log.users}, block, places
    )
